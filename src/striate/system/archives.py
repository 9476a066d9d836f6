"""What reading a zip archive can raise where the archive is damaged: `zipfile` raises what it likes."""

from __future__ import annotations

import struct
import zipfile
import zlib

# A name that is no UTF-8 is a ValueError, an unknown way of packing NotImplementedError, a password a RuntimeError.
DAMAGED = (
    zipfile.BadZipFile, EOFError, zlib.error, struct.error, OSError, ValueError, RuntimeError, IndexError, KeyError,
    OverflowError,
)  # fmt: skip
