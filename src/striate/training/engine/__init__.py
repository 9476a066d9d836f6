"""The training loop and what it is made of; it knows modules and images, no Classifier."""
