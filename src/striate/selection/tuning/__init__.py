"""The search for a net and a recipe."""
