"""The report of a run: one page with everything that its user should know before he trusts the model."""
