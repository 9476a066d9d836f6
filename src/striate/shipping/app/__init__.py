"""A page on which images are dropped, pasted or taken: with the model inside it, or in front of the service."""
