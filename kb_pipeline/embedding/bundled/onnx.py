"""Writing a neural network as ONNX, for onnxruntime to run.

ONNX is a message of Protocol Buffers (onnx.proto, https://github.com/onnx/onnx). A message is a row of fields, each a
number, a kind of wire and a value; the numbers below are those of that file. Only what our graph needs can be written:
33 MB of the package `onnx` do the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

IR_VERSION = 10
OPERATORS = {"": 20, "com.microsoft": 1}  # sets of operators, with their versions

_FLOAT = 1  # TensorProto.DataType
_DATA_TYPES = {"float32": _FLOAT, "int64": 7}
_KIND_FLOAT, _KIND_INT = 1, 2  # AttributeProto.AttributeType


class Graph:
    """A network under construction; values go by names, which are made up."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._names = 0

    def constant(self, value: NDArray[Any]) -> str:
        name = self._name()
        dimensions = b"".join(_field(1, size) for size in value.shape)
        data = np.ascontiguousarray(value).tobytes()
        self._constants.append(
            dimensions + _field(2, _DATA_TYPES[value.dtype.name]) + _field(8, name) + _field(9, data)
        )
        return name

    def node(
        self, operator: str, *inputs: str, outputs: Sequence[str] = (), domain: str = "", **attributes: float
    ) -> str:
        """Apply `operator`; the name of its first output. An input that is left out is named ''."""
        outputs = outputs or (self._name(),)
        parts = [_field(1, name) for name in inputs]
        parts += [_field(2, name) for name in outputs]
        parts.append(_field(4, operator))
        parts += [_field(5, _attribute(name, value)) for name, value in attributes.items()]
        parts.append(_field(7, domain))
        self._nodes.append(b"".join(parts))
        return outputs[0]

    def model(self, inputs: Mapping[str, Sequence[int | str]], outputs: Mapping[str, Sequence[int | str]]) -> bytes:
        """The finished file. `inputs`, `outputs`: name -> shape, all of them float32; a size may be a name."""
        graph = [_field(1, node) for node in self._nodes]
        graph.append(_field(2, "graph"))
        graph += [_field(5, constant) for constant in self._constants]
        graph += [_field(11, _value(name, shape)) for name, shape in inputs.items()]
        graph += [_field(12, _value(name, shape)) for name, shape in outputs.items()]
        sets = [_field(8, _field(1, domain) + _field(2, version)) for domain, version in OPERATORS.items()]
        return _field(1, IR_VERSION) + _field(7, b"".join(graph)) + b"".join(sets)

    def _name(self) -> str:
        self._names += 1
        return f"value{self._names}"


def _attribute(name: str, value: float) -> bytes:
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, _KIND_INT)
    return _field(1, name) + _field(2, value) + _field(20, _KIND_FLOAT)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(_field(1, _field(2 if isinstance(size, str) else 1, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, _FLOAT) + _field(2, sizes)))


def _field(number: int, value: float | str | bytes) -> bytes:
    """A field of Protocol Buffers: a varint, four bytes, or bytes with their length before them."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written as their two's complement
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
