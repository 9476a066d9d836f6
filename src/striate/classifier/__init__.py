"""The one thing that predicts, its preprocessing and views, its file, and the heads that stand on features."""
