"""What a model sees of an image: maps with a verdict on each, the training images it is like, what would change it."""
