"""What a model sees in an image, and every number on the way there."""
