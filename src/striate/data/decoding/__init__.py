"""From the bytes of one file to pixels."""
