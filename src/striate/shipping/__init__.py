"""Shipping a classifier: an ONNX graph, a page for the browser, a web service."""
