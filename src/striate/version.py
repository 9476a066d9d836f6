"""The version: one number, one place. Packaging, saved models and `--version` read it here."""

__version__ = "0.1.0"
