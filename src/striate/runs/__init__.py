"""One run on disk, what every run does, and the lists and comparisons of many."""
