"""One picture by itself, of any depth: no set says which of its values are black and white."""

from __future__ import annotations

from striate.data.decoding.decode import Decoded, Source, decode, read_values
from striate.data.decoding.windows import choose_window


def decode_alone(source: Source) -> Decoded:
    """Return a picture as `decode` does; of more than 8 bits, the range that its own values use becomes 0…255.

    Arguments:
        source: as `decode` takes it.

    Raises:
        DecodingError: it cannot be decoded whole.
    """
    deep = read_values(source)
    return decode(source, None if deep is None else choose_window([deep.values], [deep.top]))
