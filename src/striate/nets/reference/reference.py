"""The NumPy reference: a net's sums, forward and backward, slow and readable. No torch.

It is what the torch module is tested against, and what shows where a number comes from.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import striate.nets.reference.patches  # noqa: F401 - its import gives the window layers their arithmetic
from striate.errors import ArgumentError, ShapeError
from striate.nets.graph import INPUT, Node, make_graph
from striate.nets.layers import Bn, Shape, say
from striate.nets.reference.arithmetic import Applied, Array, Mode, apply, cross_entropy, softmax
from striate.nets.reference.arrays import initial_weights, starting
from striate.nets.reference.tracing import Trace, trace
from striate.nets.structure import HasChain, without_softmax


class Reference:
    """A net in NumPy, float64.

    `weights` maps "path.weight", "path.bias"… to arrays, shaped as torch's, and may be set. After `forward`, `values`
    has the output of each layer by path; after `backward`, `value_gradients` has the gradient there and `gradients`
    those of the weights.

    >>> from striate.nets import parse
    >>> unit = parse("fc(1) step").reference((2,), weights={"0.weight": [[1, 1]], "0.bias": [-1.5]})
    >>> unit.forward([[0, 0], [0, 1], [1, 0], [1, 1]]).ravel()
    array([0., 0., 0., 1.])
    """

    def __init__(
        self,
        net: HasChain,
        input_shape: Shape,
        seed: int = 0,
        init: str | None = None,
        weights: Mapping[str, object] | None = None,
    ) -> None:
        self.net, self.input_shape = net, input_shape
        self.graph = make_graph(without_softmax(net.chain), input_shape)
        self.weights = initial_weights(self.graph, seed, init)
        if weights is not None:
            self._set(weights)
        self._generator = np.random.default_rng((seed, 1))
        self._applied: dict[int, Applied] = {}
        self.values: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.value_gradients: dict[str, Array] = {}
        self._input: Array = np.zeros((0, *input_shape))
        self.input_gradient: Array = self._input

    def _set(self, weights: Mapping[str, object]) -> None:
        ignored = ("num_batches_tracked",)
        given = {name: np.asarray(value, float) for name, value in weights.items() if not name.endswith(ignored)}
        if set(given) != set(self.weights):
            missing, spare = sorted(set(self.weights) - set(given)), sorted(set(given) - set(self.weights))
            raise ArgumentError(f"weights must be those of the net; missing: {missing}, spare: {spare}")
        for name, value in given.items():
            if value.shape != self.weights[name].shape:
                raise ShapeError(f"{name} must have the shape {self.weights[name].shape}; got {value.shape}")
        self.weights = given

    def forward(self, images: object, training: bool = False) -> Array:
        """Return the net's output (n, k); a softmax at the very end is left to the loss and to `probabilities`.

        Arguments:
            images: (n, c, h, w) or (n, k), any numbers.
            training: normalise by the batch, drop units, and compute auxiliary heads.

        Raises:
            ShapeError: the batch does not have the shape that the net was made for.
        """
        x = np.asarray(images, np.float64)
        if x.shape[1:] != self.input_shape or not len(x):
            raise ShapeError(f"this net takes batches of {say(self.input_shape)}; got an array of shape {x.shape}")
        mode = Mode(training, self._generator)
        self._input, self._applied = x, {}
        for i, node in enumerate(self.graph.nodes):
            if node.head and not training:
                continue
            self._applied[i] = apply(node.layer, self._reads(node), self._of(node), mode)
        self.values = {self.graph.nodes[i].path: applied.value for i, applied in self._applied.items()}
        return self._applied[self.graph.output].value

    def probabilities(self, images: object) -> Array:
        """Return the softmax of the net's output, (n, k)."""
        return softmax(self.forward(images))

    def backward(self, gradient: object, heads: Mapping[int, Array] | None = None) -> Array:
        """Return the gradient at the input of the last `forward`, given the one at its output; fill `gradients`.

        A value used twice gets the sum of its two gradients. `heads` has gradients for auxiliary heads, by node.

        Raises:
            ArgumentError: there was no `forward`.
            ShapeError: the gradient does not have the output's shape.
        """
        if not self._applied:
            raise ArgumentError("backward needs the values of a batch; call forward first")
        at_output, made = np.asarray(gradient, np.float64), self._applied[self.graph.output].value
        if at_output.shape != made.shape:
            raise ShapeError(f"the gradient must have the output's shape, {made.shape}; got {at_output.shape}")
        arriving: dict[int, Array] = {**(heads or {}), self.graph.output: at_output}
        self.gradients, self.value_gradients = {}, {}
        for i in sorted(self._applied, reverse=True):
            if i not in arriving:
                continue
            node = self.graph.nodes[i]
            self.value_gradients[node.path] = arriving[i]
            before, gradients = self._applied[i].backward(arriving.pop(i))
            self.gradients |= {f"{node.path}.{name}": value for name, value in gradients.items()}
            for source, value in zip(node.inputs, before, strict=True):
                arriving[source] = arriving[source] + value if source in arriving else value
        return arriving.get(INPUT, np.zeros_like(self._input))

    def loss(self, images: object, labels: object, training: bool = False) -> float:
        """Return the mean cross-entropy of the softmax, auxiliary heads included; then `gradients` are its gradients.

        Arguments:
            images: (n, c, h, w) or (n, k).
            labels: whole numbers (n,) in [0, k).
            training: see `forward`.

        Raises:
            ArgumentError: the labels are not such numbers, one an image.
        """
        logits, classes = self.forward(images, training), np.asarray(labels)
        n, k = logits.shape[:2]
        if classes.shape != (n,) or classes.dtype.kind not in "iu" or not ((classes >= 0) & (classes < k)).all():
            raise ArgumentError(f"labels must be {n} whole numbers from 0 to {k - 1}, one an image; got {labels!r:.60}")
        loss, gradient = cross_entropy(logits, classes)
        heads = {}
        for number, weight in self.graph.heads if training else ():
            extra, head = cross_entropy(self._applied[number].value, classes)
            loss, heads[number] = loss + weight * extra, weight * head
        self.input_gradient = self.backward(gradient, heads)
        return loss

    def descend(self, images: object, labels: object, rate: float) -> float:
        """Take one step of plain gradient descent, weights −= rate · gradient, and return the loss before it."""
        loss = self.loss(images, labels, training=True)
        for name, gradient in self.gradients.items():
            self.weights[name] = self.weights[name] - rate * gradient
        self._remember()
        return loss

    def _remember(self) -> None:
        """Move the running statistics of batch normalisation towards those of the last batch."""
        for i in self._applied:
            node = self.graph.nodes[i]
            if isinstance(node.layer, Bn):
                (x,) = self._reads(node)
                axes = tuple(axis for axis in range(x.ndim) if axis != 1)
                share, n = node.layer.momentum, x.size // x.shape[1]
                for name, now in (("running_mean", x.mean(axes)), ("running_var", x.var(axes) * n / max(n - 1, 1))):
                    key = f"{node.path}.{name}"
                    self.weights[key] = (1 - share) * self.weights[key] + share * now

    def trace(self, path: str, position: tuple[int, ...], image: int = 0) -> Trace:
        """Return where one output value of the last `forward` comes from.

        Arguments:
            path: the layer, as in the table's first column.
            position: (channel, row, column), or (unit,).
            image: its number in the batch.

        Raises:
            ArgumentError: no such layer, or it has not been computed.
            ShapeError: the position lies outside the layer's output.
        """
        number = self.graph.number(path)
        node = self.graph.nodes[number]
        if number not in self._applied:
            raise ArgumentError(f"layer {path} has not been computed; call forward first, with training=True for heads")
        within = len(position) == len(node.shape) and all(
            0 <= p < n for p, n in zip(position, node.shape, strict=False)
        )
        if not within or not 0 <= image < len(self._input):
            shape, n = say(node.shape), len(self._input)
            raise ShapeError(f"layer {path} has {shape} values for each of {n} images; got {position} of image {image}")
        value = float(self._applied[number].value[(image, *position)])
        inputs = tuple(x[image] for x in self._reads(node))
        return trace(node.layer, node.path, inputs, self._of(node), tuple(position), value)

    def _reads(self, node: Node) -> tuple[Array, ...]:
        return tuple(self._input if source == INPUT else self._applied[source].value for source in node.inputs)

    def _of(self, node: Node) -> dict[str, Array]:
        return {name: self.weights[f"{node.path}.{name}"] for name in starting(node.layer, node.in_shapes[0])}
