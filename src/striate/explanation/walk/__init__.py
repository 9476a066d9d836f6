"""The walkthrough: a page that computes a net by itself and shows where each of its numbers comes from."""
