"""CRC64 as the blob protocol computes it. Pure; MD5 comes from the standard library."""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from functools import lru_cache

from azure_batch_endpoints.local.blobstore.failures import BlobError

_POLYNOMIAL = 0x9A6C9329AC4BC9B5  # bit-reversed; also known as CRC-64/NVME
_ALL = (1 << 64) - 1


@lru_cache(maxsize=1)
def _table() -> array[int]:
    # Two bytes at a step: a table of 65,536 entries, made when the first checksum is asked for.
    single = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ _POLYNOMIAL if value & 1 else value >> 1
        single.append(value)
    half = ((single[low], high) for high in range(256) for low in range(256))
    return array("Q", ((value >> 8) ^ single[(value & 0xFF) ^ high] for value, high in half))


def crc64(data: bytes | memoryview, before: int = 0) -> int:
    """The CRC64 of some bytes, or of what ``before`` is the CRC64 of with these bytes behind it."""
    view = memoryview(data)
    odd = len(view) % 2
    table, value = _table(), before ^ _ALL
    pairs = view[: len(view) - odd]
    for pair in _pairs(pairs):
        value = table[(value ^ pair) & 0xFFFF] ^ (value >> 16)
    if odd:
        index = (value ^ view[-1]) & 0xFF
        value = _single(index) ^ (value >> 8)
    return value ^ _ALL


def _pairs(view: memoryview) -> memoryview | array[int]:
    if sys.byteorder == "little":
        return view.cast("H")
    swapped = array("H", view.tobytes())
    swapped.byteswap()
    return swapped


@lru_cache(maxsize=256)
def _single(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ _POLYNOMIAL if byte & 1 else byte >> 1
    return byte


def crc64_text(value: int) -> str:
    """A CRC64 as its header carries it: base64 of its bytes, the least first."""
    return base64.b64encode(value.to_bytes(8, "little")).decode("ascii")


def crc64_of_text(text: str) -> int:
    """The CRC64 of a header. Raises ``InvalidHeaderValue``."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != 8:
        raise BlobError("InvalidHeaderValue", "'x-ms-content-crc64' must be base64 of 8 bytes.")
    return int.from_bytes(data, "little")
