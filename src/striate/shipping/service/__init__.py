"""The web service: bodies and limits, decoding, micro-batches, models that reload, routes, and the server itself."""
