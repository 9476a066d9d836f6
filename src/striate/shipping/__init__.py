"""Taking a classifier elsewhere: one ONNX graph, a page that runs in the browser, a service."""
