"""What Striate asks of the machine: devices, processes, signals, files, downloads, caches, measurements."""
