"""Arrays in, figures out: evaluations, intervals, comparisons."""
