"""Which images belong together: near copies told by content, bursts told by names, or what the user says."""
