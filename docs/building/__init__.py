"""Extensions of Sphinx that make pages from the code."""
