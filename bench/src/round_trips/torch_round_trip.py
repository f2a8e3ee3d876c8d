"""Two steps of a round trip: `torch_round_trip.py resave IN ZIP LEGACY` and `torch_round_trip.py run TASK.json OUTPUT.f32`."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))
from torch_network import Network  # noqa: E402


def resave(source, zipped, legacy):
    """A state dict that we wrote, read as PyTorch reads files that it does not trust, in both of its formats."""
    state = torch.load(source, weights_only=True)
    torch.save(state, zipped)
    torch.save(state, legacy, _use_new_zipfile_serialization=False)


def read_safetensors(file):
    data = Path(file).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = torch.from_numpy(np.frombuffer(data[start:end], "<f4").reshape(entry["shape"]).copy())
    return tensors


def run(task_file, output):
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    tensors = read_safetensors(task["weights"])
    weights = {ours: tensors[theirs] for ours, theirs in task["names"]}
    network = Network(task["graph"], weights, native=True).eval()
    pictures = torch.from_numpy(np.fromfile(task["input"], "<f4").reshape(task["shape"])).permute(0, 3, 1, 2)
    with torch.no_grad():
        network(pictures).numpy().astype("<f4").tofile(output)


step, *files = sys.argv[1:]
{"resave": resave, "run": run}[step](*files)
