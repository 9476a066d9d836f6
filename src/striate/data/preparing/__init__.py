"""From a catalog to an image set: decoded once, in parallel, perhaps kept on disk."""
