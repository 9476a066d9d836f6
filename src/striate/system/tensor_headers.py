"""The header of a `.safetensors` file, looked at before it is read: JSON takes a hundred times its size of memory."""

from __future__ import annotations

# A thousand tensors take 0.1 MB.
MOST_HEADER_BYTES = 8 << 20


def is_believable(start: bytes) -> bool:
    """Return whether the first eight bytes of a `.safetensors` file say a header of believable length.

    >>> is_believable((200).to_bytes(8, "little")), is_believable(b"\\xff" * 8)
    (True, False)
    """
    return int.from_bytes(start[:8], "little") <= MOST_HEADER_BYTES
