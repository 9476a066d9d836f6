"""The torch module of a net: the graph's nodes, run one after another."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.errors import ArgumentError, ShapeError
from striate.nets.graph import INPUT, Graph, make_graph
from striate.nets.layers import Shape, say
from striate.nets.modules.filling import fill
from striate.nets.modules.layers import make_layer
from striate.nets.modules.windows import Whitening
from striate.nets.structure import HasChain, without_softmax

MOST_PARAMETERS = 10**10


class NetModule(nn.Module):
    """A net for torch: (n, c, h, w) float → logits (n, k).

    `net` is the net as written, `input_shape` what it was made for, `graph` its nodes. In training mode `auxiliary`
    holds, after each call, the weight and logits of each auxiliary head; in evaluation the heads are not computed.
    """

    def __init__(self, net: HasChain, graph: Graph) -> None:
        super().__init__()
        self.net, self.graph, self.input_shape = net, graph, graph.input_shape
        self.auxiliary: list[tuple[float, Tensor]] = []
        self._layers: list[nn.Module] = []
        for node in graph.nodes:
            layer = make_layer(node.layer, node.in_shapes[0])
            _graft(self, node.path, layer)
            self._layers.append(layer)
        self._spent = _spent(graph)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (n, k)."""
        return self._run(images, ())[self.graph.output]

    def activations(self, images: Tensor, paths: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Return the outputs of nodes by path, in one pass.

        Arguments:
            images: float (n, c, h, w).
            paths: paths of layers or parts, such as those in the table; None for all layers.
        """
        wanted = {p: self.graph.number(p) for p in ([s.path for s in self.graph.nodes] if paths is None else paths)}
        values = self._run(images, tuple(wanted.values()))
        return {path: values[number] for path, number in wanted.items() if number in values}

    def embed(self, images: Tensor) -> Tensor:
        """Return what the last fully connected layer gets, (n, d)."""
        last = [i for i, s in enumerate(self.graph.nodes) if s.layer.word == "fc" and not s.head]
        if not last:
            raise ShapeError(
                "an embedding is the input of a net's last fc layer; this net has none. Ask for activations by path"
            )
        source = self.graph.nodes[last[-1]].inputs[0]
        return images.flatten(1) if source == INPUT else self._run(images, (source,))[source].flatten(1)

    def initialise_from(self, images: Tensor) -> None:
        """Compute the filters of every `whiten` layer from images as they enter the net, float (n, c, h, w)."""
        training = self.training
        self.eval()
        with torch.no_grad():
            for node, layer in zip(self.graph.nodes, self._layers, strict=True):
                if isinstance(layer, Whitening):
                    source = node.inputs[0]
                    layer.learn(images if source == INPUT else self._run(images, (source,))[source])
        self.train(training)

    def layer(self, path: str) -> nn.Module:
        """Return the torch layer at a path, such as those in the table."""
        return self._layers[self.graph.number(path)]

    def _run(self, images: Tensor, keep: tuple[int, ...]) -> dict[int, Tensor]:
        if images.ndim != 1 + len(self.input_shape) or images.shape[1] != self.input_shape[0]:
            raise ShapeError(f"this net takes batches of {say(self.input_shape)}; got {say(tuple(images.shape))}")
        values = {INPUT: images}
        for i, (node, layer) in enumerate(zip(self.graph.nodes, self._layers, strict=True)):
            if node.head and not self.training:
                continue
            values[i] = layer(*(values[source] for source in node.inputs))
            for source in self._spent[i]:
                if source not in keep:
                    values.pop(source, None)
        self.auxiliary = [(weight, values[i]) for i, weight in self.graph.heads] if self.training else []
        return values


def _graft(root: nn.Module, path: str, layer: nn.Module) -> None:
    """Put a layer below `root` at a dotted path, with plain modules between."""
    *above, name = path.split(".")
    for part in above:
        if part not in root._modules:
            _add(root, part, nn.Module())
        root = root.get_submodule(part)
    _add(root, name, layer)


def _add(root: nn.Module, name: str, module: nn.Module) -> None:
    try:
        root.add_module(name, module)
    except KeyError:
        raise ArgumentError(
            f"a part cannot be called {name!r}, which is a name of the module itself. Use another"
        ) from None


def _spent(graph: Graph) -> list[list[int]]:
    """Return for each node the values that nothing reads after it, so that they can be freed."""
    last = {source: i for i, node in enumerate(graph.nodes) for source in node.inputs}
    spent: list[list[int]] = [[] for _ in graph.nodes]
    for source, i in last.items():
        if source != graph.output and source not in (head for head, _ in graph.heads):
            spent[i].append(source)
    return spent


def make_module(net: HasChain, input_shape: Shape, seed: int = 0, init: str | None = None) -> NetModule:
    """Return the torch module of a net, initialised; the global random state is neither read nor changed.

    A `softmax` at the very end is left off, so that the module gives logits: the loss applies it, as do probabilities.

    Arguments:
        net: the net.
        input_shape: (c, h, w), or (k,) for nets without images.
        seed: for the initial weights; the same seed gives the same weights.
        init: "zeros", "gaussian(std)", "xavier", "he", "orthogonal" or "dirac" for every layer that does not name its
            own; None takes he before a ReLU or one of its kin and xavier elsewhere.

    Raises:
        ShapeError: a layer does not fit.
        ArgumentError: the initialisation is unknown, or the net is too large for any machine.

    >>> import torch
    >>> from striate.nets import parse
    >>> module = make_module(parse("conv(8, 3) relu fc(10)"), (3, 8, 8))
    >>> module(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 10])
    """
    chain = without_softmax(net.chain)
    graph = make_graph(chain, tuple(input_shape))
    total = sum(node.parameters for node in graph.nodes)
    if total > MOST_PARAMETERS:
        raise ArgumentError(
            f"this net has {total:,} parameters; at most {MOST_PARAMETERS:,} fit. Pool before the first fc"
        )
    with torch.device("meta"):
        module = NetModule(net, graph)
    # torch's own to_empty imports its compiler's symbols, half a second, to find the order of the axes.
    empty = {name: torch.empty(value.shape, dtype=value.dtype) for name, value in module.state_dict().items()}
    module.load_state_dict(empty, assign=True)
    fill(graph, module._layers, seed, init)
    return module


def auxiliary_loss(module: nn.Module, labels: Tensor, counts: Tensor | None = None) -> Tensor | float:
    """Return the weighted cross-entropy of the auxiliary heads after a call in training mode; 0.0 without heads.

    Arguments:
        counts: what each image counts, see `image_loss`.
    """
    heads = getattr(module, "auxiliary", [])
    exact = ((weight, logits.to(torch.promote_types(logits.dtype, torch.float32))) for weight, logits in heads)
    return sum((weight * image_loss(logits, labels, counts) for weight, logits in exact), start=0.0)


def image_loss(logits: Tensor, labels: Tensor, counts: Tensor | None = None, label_smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy averaged over the images.

    Arguments:
        logits: float (n, k).
        labels: int64 (n,), or the share of each class, float (n, k).
        counts: what each image counts, float (n,); None: all as much. The sum is divided by n all the same, so that an
            image counts as much in every batch.
    """
    if counts is None:
        return functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    each = functional.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="none")
    return (each * counts).mean()


def state_arrays(module: nn.Module) -> dict[str, np.ndarray]:
    """Return a module's parameters and buffers as float64 arrays, such as `Net.reference` takes."""
    return {name: value.detach().cpu().numpy().astype(np.float64) for name, value in module.state_dict().items()}
