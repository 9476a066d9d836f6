"""Convolution and pooling as arithmetic: (N - F + 2P)/S + 1 places, F·F·D·K + K parameters."""

from striate.nets import parse

EXAMPLES = [
    ("one 5×5 filter over three channels: 75 + 1 parameters, 32 → 28", "conv(1, 5)", (3, 32, 32)),
    ("3×3 without padding: 6 → 4", "conv(1, 3)", (1, 6, 6)),
    ("3×3 with one pixel of padding: 6 → 6", "conv(1, 3, pad=1)", (1, 6, 6)),
    ("a window that does not fit evenly: 32 → 26 → 11.5", "conv(10, 7) conv(6, 5, stride=2)", (3, 32, 32)),
    ('"same" padding is (F - 1)/2', 'conv(1, 7, pad="same")', (1, 28, 28)),
    ("pooling by two: 4 → 2", "maxpool(2)", (1, 4, 4)),
    ("rounded up: 7 → 4 → 2", "maxpool(2, ceil=true) maxpool(2, ceil=true)", (1, 7, 7)),
    ("a fully connected neuron on 28×28×3", "fc(1, bias=false)", (3, 28, 28)),
    ("and on 200×200×3", "fc(1, bias=false)", (3, 200, 200)),
]
for title, sentence, shape in EXAMPLES:
    print(f"{title}\n{parse(sentence).table(shape)}\n")

image = [[[[1, 3, 2, 1], [4, 6, 5, 0], [1, 2, 9, 8], [0, 3, 7, 4]]]]
for sentence in ("maxpool(2)", "avgpool(2)"):
    pool = parse(sentence).reference((1, 4, 4))
    print(f"{sentence} of {image[0][0]}:\n{pool.forward(image)[0, 0]}")
