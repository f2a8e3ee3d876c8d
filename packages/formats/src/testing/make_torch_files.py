"""Writes torch_files.json: small files that PyTorch (2.13) made, for tests of readers. Run: python make_torch_files.py"""

import argparse
import base64
import collections
import gzip
import io
import json
import os
import pathlib

import torch


def saved(value, **options):
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return base64.b64encode(gzip.compress(stream.getvalue(), mtime=0)).decode()


class Shell:
    def __reduce__(self):
        return (os.system, ("echo hi",))


names = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"]
types = collections.OrderedDict((name, torch.arange(6).reshape(2, 3).to(getattr(torch, name))) for name in names)
types["float32"] = types["float32"] * 0.5 - 1
types["bool"] = torch.tensor([True, False, True])
types["scalar"] = torch.tensor(7)
types["empty"] = torch.zeros(0, 3)

base = torch.arange(24.0).reshape(2, 3, 4)
views = {
    "transposed": base.permute(2, 0, 1),
    "offset": base[1, 1:],
    "every_second": base[:, :, ::2],
    "expanded": torch.tensor([1.0, 2.0]).reshape(2, 1).expand(2, 3),
    "whole": base,
}

layers = collections.OrderedDict(conv=torch.nn.Conv2d(2, 3, 1), bn=torch.nn.BatchNorm2d(3))
model = torch.nn.DataParallel(torch.nn.Sequential(layers))
optimizer = torch.optim.Adam(model.parameters())
model.module(torch.ones(1, 2, 2, 2)).sum().backward()
optimizer.step()
with torch.no_grad():
    for number, tensor in enumerate(model.state_dict().values()):
        tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) + number)
checkpoint = {
    "epoch": 3,
    "arch": "tiny",
    "state_dict": model.state_dict(),
    "optimizer": optimizer.state_dict(),
    "best": torch.tensor(0.5),
    "args": argparse.Namespace(lr=0.1, names=["a", "b"]),
}

stream = io.BytesIO()
torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), stream)
old = {"_use_new_zipfile_serialization": False}
files = {
    "types": saved(types),
    "types_legacy": saved(types, **old),
    "views": saved(views),
    "views_legacy": saved(views, **old),
    "checkpoint": saved(checkpoint),
    "checkpoint_legacy": saved(checkpoint, **old),
    "parameters": saved({"model": {"w": torch.nn.Parameter(torch.arange(3.0))}, "lr": 1e-3}),
    "protocol4": saved({"w": torch.arange(3.0)}, pickle_protocol=4),
    "unsigned": saved({"w": torch.zeros(3, dtype=torch.uint16)}),
    "complex": saved({"w": torch.zeros(2, dtype=torch.complex64)}),
    "list": saved([torch.arange(3.0)]),
    "whole_model": saved(model.module),
    "script": base64.b64encode(gzip.compress(stream.getvalue(), mtime=0)).decode(),
    "shell": saved({"w": torch.arange(3.0), "x": Shell()}),
    "shell_legacy": saved({"x": Shell()}, **old),
}
path = pathlib.Path(__file__).with_name("torch_files.json")
path.write_text(json.dumps({"madeBy": "make_torch_files.py, gzipped, base64", "files": files}, indent=2) + "\n")
