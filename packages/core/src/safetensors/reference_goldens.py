"""Writes reference.golden.json: files and verdicts of the reference implementation of safetensors, and 8-bit floats of ml_dtypes.

Run by hand: pip install safetensors ml_dtypes numpy && python3 reference_goldens.py
"""

import base64
import ctypes
import json
import random
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors
from safetensors import SafetensorError, TensorSpec, deserialize, serialize

KINDS = {  # the reference's name of each type: bytes an element
    "bool": 1, "uint8": 1, "int8": 1, "float8_e5m2": 1, "float8_e4m3fn": 1, "int16": 2, "uint16": 2, "float16": 2,
    "bfloat16": 2, "int32": 4, "uint32": 4, "float32": 4, "float64": 8, "int64": 8, "uint64": 8,
}


def write(tensors, metadata=None):
    """tensors: name -> (kind, shape, bytes)"""
    buffers = {name: ctypes.create_string_buffer(data, len(data)) for name, (_, _, data) in tensors.items()}
    specs = {
        name: TensorSpec(dtype=kind, shape=shape, data_ptr=ctypes.addressof(buffers[name]), data_len=len(data))
        for name, (kind, shape, data) in tensors.items()
    }
    return bytes(serialize(specs, metadata))


def encode(data):
    return base64.b64encode(data).decode()


def described(data):
    return {
        "base64": encode(data),
        "tensors": [{"name": name, "dtype": t["dtype"], "shape": list(t["shape"]), "base64": encode(bytes(t["data"]))}
                    for name, t in deserialize(data)],
    }


files = {
    "empty": write({}),
    "every type": write(
        {f"{kind} {'even' if i % 2 == 0 else 'odd'}": (kind, [3], bytes((7 * i + j) % 2 if kind == "bool" else 7 * i + j for j in range(3 * size)))
         for i, (kind, size) in enumerate(KINDS.items())},
        {"format": "pt"},
    ),
    "odd names": write({
        "\ue000": ("float32", [], struct.pack("<f", 1)),
        "\U0001f600": ("float32", [0, 3], b""),
        "a\"\n\\\x7f\x01é/": ("float32", [1, 2], struct.pack("<2f", 2, 3)),
        "__proto__": ("int64", [], struct.pack("<q", -5)),
        "constructor": ("float16", [1, 1, 3], struct.pack("<3e", 0.5, -2, 6e-8)),
        "": ("uint8", [2], b"\x01\xff"),
    }),
}


def verdicts(seed, count):
    """Small changes of a small file, and whether the reference reads the result."""
    rng = random.Random(seed)
    plain = write({"a": ("float32", [2, 1], bytes(8)), "b": ("int8", [3], bytes(3))}, {"k": "v"})
    alphabet = b'0123456789{}[]",:.-e ab_\x00\xff'
    for _ in range(count):
        data = bytearray(plain)
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.randrange(len(data)) if rng.random() < 0.9 else rng.randrange(8)
            change = rng.choice(["set", "set", "delete", "insert"])
            byte = rng.choice(alphabet)
            if change == "set":
                data[at] = byte
            elif change == "delete":
                del data[at]
            else:
                data.insert(at, byte)
            if change != "set" and rng.random() < 0.7:  # keep the announced length right, so that the JSON is reached
                length = struct.unpack("<Q", data[:8])[0]
                if length < 2**32 and at >= 8:
                    data[:8] = struct.pack("<Q", length + (1 if change == "insert" else -1))
        try:
            deserialize(bytes(data))
            yield [encode(bytes(data)), True]
        except SafetensorError:
            yield [encode(bytes(data)), False]


def float8(kind):
    values = np.arange(256, dtype=np.uint8).view(kind).astype(np.float64)
    return [float(v) if np.isfinite(v) else str(v) for v in values]


golden = {
    "safetensors": safetensors.__version__,
    "ml_dtypes": ml_dtypes.__version__,
    "files": {name: described(data) for name, data in files.items()},
    "verdicts": list(verdicts(1, 400)),
    "float8": {"F8_E5M2": float8(ml_dtypes.float8_e5m2), "F8_E4M3": float8(ml_dtypes.float8_e4m3fn)},
}
Path(__file__).with_name("reference.golden.json").write_text(json.dumps(golden, ensure_ascii=True) + "\n")
