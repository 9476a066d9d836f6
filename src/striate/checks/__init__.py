"""What is wrong with the data: copies, labels, pictures, before anything is trained."""
