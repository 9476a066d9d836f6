"""What is wrong with the data: copies, wrong labels, images of no class, and what to label next."""
