"""From simple methods to nets within a budget."""
