"""Nets as torch modules, their weights, and modules of the user's own."""
