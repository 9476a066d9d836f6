"""A look inside a model: its filters, its templates, what its units answer to."""
