"""Choosing: the ladder that picks a model within a budget."""
