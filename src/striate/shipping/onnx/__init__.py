"""A classifier as one ONNX graph, from uint8 images of any size to calibrated probabilities; emitted layer by layer.

Why our own emitter: a net is a flat list of nodes with two dozen kinds of layers, so that each is a few readable
lines, the batch is dynamic by construction, and no exporter's tracing has to be trusted. Modules of the user's own and
of timm go through torch's exporter, and are checked all the same.
"""
