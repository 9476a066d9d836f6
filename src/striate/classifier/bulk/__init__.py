"""Predicting any number of images: answers in a stream, rows written as they come, resumed where they stopped."""
