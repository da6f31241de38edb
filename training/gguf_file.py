"""GGUF v3 files: writes metadata and tensors (float32, float16, Q8_0), and reads back what it wrote."""

import os
import struct
from pathlib import Path

import numpy as np

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
SCALARS = {UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?"}
F32, F16, Q8_0 = 0, 1, 8
Q8_0_BLOCK = np.dtype([("scale", "<f2"), ("values", "i1", 32)])
MAGIC, VERSION, ALIGNMENT = 0x46554747, 3, 32

# (key, type, value, type of the elements where the value is an array)
Entry = tuple[str, int, object, int | None]


def pack_string(s: str) -> bytes:
    b = s.encode("utf-8")
    return struct.pack("<Q", len(b)) + b


def pack_value(kind: int, value: object) -> bytes:
    return pack_string(str(value)) if kind == STRING else struct.pack("<" + SCALARS[kind], value)


def pack_entry(key: str, kind: int, value: object, element: int | None) -> bytes:
    if kind != ARRAY:
        return pack_string(key) + struct.pack("<I", kind) + pack_value(kind, value)
    assert element is not None and isinstance(value, list)
    head = struct.pack("<IIQ", ARRAY, element, len(value))
    return pack_string(key) + head + b"".join(pack_value(element, v) for v in value)


def padding(size: int) -> int:
    return -size % ALIGNMENT


def q8_0(array: np.ndarray) -> np.ndarray:
    """Blocks of 32 of a row: a float16 scale and int8 values. [rows, columns] to [rows, columns / 32] of Q8_0_BLOCK."""
    blocks = array.astype(np.float32).reshape(array.shape[0], -1, 32)
    out = np.empty(blocks.shape[:2], Q8_0_BLOCK)
    scale = np.abs(blocks).max(axis=2) / 127
    out["scale"] = scale
    out["values"] = np.round(blocks / np.where(scale == 0, 1, scale)[..., None])
    return out


def as_float32(array: np.ndarray) -> np.ndarray:
    """The numbers an array of any of these types stands for."""
    if array.dtype != Q8_0_BLOCK:
        return array.astype(np.float32)
    blocks = array["values"].astype(np.float32) * array["scale"].astype(np.float32)[..., None]
    return blocks.reshape(array.shape[0], -1)


def tensor_type(array: np.ndarray) -> int:
    return Q8_0 if array.dtype == Q8_0_BLOCK else F16 if array.dtype == np.float16 else F32


def write_gguf(path: str | Path, metadata: list[Entry], tensors: list[tuple[str, np.ndarray]]) -> None:
    """Arrays are float32, float16 or of q8_0(), row major as in PyTorch; GGUF lists the fastest dimension first."""
    head = struct.pack("<IIQQ", MAGIC, VERSION, len(tensors), len(metadata))
    head += b"".join(pack_entry(*entry) for entry in metadata)
    offset = 0
    for name, array in tensors:
        kind = tensor_type(array)
        dims = [array.shape[-1] * (32 if kind == Q8_0 else 1), *array.shape[-2::-1]]
        head += pack_string(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
        head += struct.pack("<IQ", kind, offset)
        offset += array.nbytes + padding(array.nbytes)
    temporary = Path(str(path) + ".tmp")
    with temporary.open("wb") as f:
        f.write(head + bytes(padding(len(head))))
        for _, array in tensors:
            f.write(array.tobytes() + bytes(padding(array.nbytes)))
    os.replace(temporary, path)


class GgufReader:
    """Reads what write_gguf writes."""

    def __init__(self, path: str | Path):
        self.data, self.at = Path(path).read_bytes(), 0
        magic, version, num_tensors, num_entries = self.take("IIQQ")
        if (magic, version) != (MAGIC, VERSION):
            raise ValueError(f"{path} is no GGUF version {VERSION} file.")
        self.metadata: dict[str, object] = {}
        for _ in range(num_entries):
            key = self.string()
            self.metadata[key] = self.value(self.take("I")[0])
        infos = []
        for _ in range(num_tensors):
            name, (num_dims,) = self.string(), self.take("I")
            infos.append((name, self.take(f"{num_dims}Q"), *self.take("IQ")))
        base = self.at + padding(self.at)
        self.tensors = {name: self.tensor(dims, kind, base + offset) for name, dims, kind, offset in infos}

    def take(self, layout: str) -> tuple:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def string(self) -> str:
        (n,) = self.take("Q")
        self.at += n
        return self.data[self.at - n : self.at].decode("utf-8")

    def value(self, kind: int) -> object:
        if kind == ARRAY:
            element, n = self.take("IQ")
            return [self.value(element) for _ in range(n)]
        return self.string() if kind == STRING else self.take(SCALARS[kind])[0]

    def tensor(self, dims: tuple[int, ...], kind: int, offset: int) -> np.ndarray:
        if kind == Q8_0:
            dims, dtype = (dims[0] // 32, *dims[1:]), Q8_0_BLOCK
        else:
            dtype = np.dtype(np.float16 if kind == F16 else np.float32)
        return np.frombuffer(self.data, dtype, int(np.prod(dims)), offset).reshape(dims[::-1])
