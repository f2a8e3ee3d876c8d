"""Trains one network in PyTorch, a question a line on stdin, an answer a line on stdout. Started by torch_peer.ts."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent.parent))
from torch_network import Network  # noqa: E402


def read_tensors(file, entries):
    """Float32 numbers, one tensor after the other."""
    numbers = np.fromfile(file, dtype="<f4")
    tensors, at = {}, 0
    for name, shape in entries:
        count = int(np.prod(shape))
        tensors[name] = torch.from_numpy(numbers[at : at + count].reshape(shape).copy())
        at += count
    return tensors


class Training:
    """SGD with Nesterov momentum, decay and label smoothing as the recipe has them."""

    def __init__(self, question):
        torch.set_num_threads(question["threads"])
        tensors = read_tensors(question["tensors"], question["entries"])
        self.pictures = tensors.pop("pictures").permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        self.classes = tensors.pop("classes").long()
        with open(question["graph"], encoding="utf-8") as file:
            self.network = Network(json.load(file), tensors).train()
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=question["rate"], momentum=0.9, nesterov=True, weight_decay=question["decay"]
        )

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.network(self.pictures), self.classes, label_smoothing=0.1)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def answers():
    training = None
    for line in sys.stdin:
        question = json.loads(line)
        if question["ask"] == "load":
            training = Training(question)
            # Two losses: the second tells whether the first step went the same way.
            yield {"version": torch.__version__, "losses": [training.step(), training.step()]}
        else:
            milliseconds = []
            for _ in range(question["count"]):
                start = time.perf_counter()
                training.step()
                milliseconds.append(1000 * (time.perf_counter() - start))
            yield {"milliseconds": milliseconds}


for answer in answers():
    print(json.dumps(answer), flush=True)
