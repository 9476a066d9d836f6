"""Heads: what turns features into class probabilities without training by steps; torch modules that hold plain numbers.

Nothing here fits anything: `striate.baselines` does, mostly by scikit-learn, and copies the numbers over.
"""
