"""None of these: how unlike the training images an image is, and from where on it belongs to no class."""
