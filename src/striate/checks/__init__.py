"""What is wrong with the data, before anything is trained on it."""
