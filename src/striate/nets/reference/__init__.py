"""Nets in NumPy, forward and backward: slow, readable, the oracle of the torch modules."""
