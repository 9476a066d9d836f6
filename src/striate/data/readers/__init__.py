"""Readers: each turns one form in which people keep labelled images into a `Catalog`, in a file of its own."""
