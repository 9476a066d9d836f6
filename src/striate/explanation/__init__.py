"""What a model sees: explanations of its answers, a look inside, the walkthrough, filters made by hand."""
