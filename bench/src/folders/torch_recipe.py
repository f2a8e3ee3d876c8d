"""A usual PyTorch recipe on labelled pictures: torch_recipe.py TASK.json. Prints a JSON line an epoch, the last one with the test's result.

Random resized crops, flips and a little colour jitter; SGD with Nesterov momentum, one warm-up epoch and a cosine; label smoothing 0.1;
averaged weights, as torchvision's references have them. Tested on the middle of each picture.
"""

import copy
import json
import math
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent.parent))
from torch_network import Network  # noqa: E402

BATCH = 64
SMOOTHING = 0.1
MOMENTUM = 0.9
DECAY = 5e-4
AREA = (0.35, 1.0)
ASPECT = (3 / 4, 4 / 3)
JITTER = 0.2
GREY = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)


def read_pictures(file, sizes):
    """Bytes of RGB pictures, one after the other, as [3, H, W] of 0 to 1."""
    numbers, pictures, at = np.fromfile(file, dtype=np.uint8), [], 0
    for height, width in sizes:
        count = height * width * 3
        picture = torch.from_numpy(numbers[at : at + count].reshape(height, width, 3).copy())
        pictures.append(picture.permute(2, 0, 1).float() / 255)
        at += count
    return pictures


def resized(picture, size):
    return F.interpolate(picture[None], (size, size), mode="bilinear", antialias=True, align_corners=False)[0]


def random_crop(picture, size):
    """torchvision's RandomResizedCrop."""
    _, height, width = picture.shape
    for _ in range(10):
        area = height * width * random.uniform(*AREA)
        aspect = math.exp(random.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            y, x = random.randint(0, height - h), random.randint(0, width - w)
            return resized(picture[:, y : y + h, x : x + w], size)
    return resized(centre(picture), size)


def centre(picture):
    _, height, width = picture.shape
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    return picture[:, y : y + side, x : x + side]


def jittered(picture):
    brightness, contrast, saturation = (1 + random.uniform(-JITTER, JITTER) for _ in range(3))
    picture = (picture * brightness).clamp(0, 1)
    mean = (picture * GREY).sum(0).mean()
    picture = (mean + (picture - mean) * contrast).clamp(0, 1)
    grey = (picture * GREY).sum(0, keepdim=True)
    return (grey + (picture - grey) * saturation).clamp(0, 1)


def augmented(picture, size):
    picture = random_crop(picture, size)
    if random.random() < 0.5:
        picture = picture.flip(2)
    return jittered(picture)


def begin(network, classifier, drawn):
    """PyTorch's own first weights, for all parameters or for the last layer."""
    for name, value in network.named_parameters():
        if not (drawn or name in classifier):
            continue
        with torch.no_grad():
            if value.ndim > 1:
                torch.nn.init.kaiming_uniform_(value, a=math.sqrt(5))


def parameter_groups(network, body_rate, classifier):
    """Norms and biases have no decay; a trained body goes slower than its new last layer."""
    groups = {}
    for name, value in network.named_parameters():
        key = (DECAY if value.ndim > 1 else 0.0, 1.0 if name in classifier else body_rate)
        groups.setdefault(key, []).append(value)
    return [{"params": values, "weight_decay": decay, "share": share} for (decay, share), values in groups.items()]


def accuracy(network, pictures, classes, normalize, size):
    network.eval()
    correct = 0
    with torch.no_grad():
        for at in range(0, len(pictures), BATCH):
            batch = torch.stack([normalize(resized(centre(p), size)) for p in pictures[at : at + BATCH]])
            correct += (network(batch).argmax(1) == classes[at : at + BATCH]).sum().item()
    network.train()
    return correct / len(pictures)


def main():
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.manual_seed(task["seed"])
    random.seed(task["seed"])
    torch.set_num_threads(task["threads"])
    size, epochs = task["size"], task["epochs"]
    tensors, at = {}, 0
    numbers = np.fromfile(task["tensors"], dtype="<f4")
    for name, shape in task["entries"]:
        count = int(np.prod(shape))
        tensors[name] = torch.from_numpy(numbers[at : at + count].reshape(shape).copy())
        at += count
    network = Network(json.loads(Path(task["graph"]).read_text(encoding="utf-8")), tensors).train()
    classifier = {name.replace("/", "|").replace(".", "_") for name in task["head"]}
    begin(network, classifier, task["drawn"])
    mean, std = (torch.tensor(task[name]).view(3, 1, 1) for name in ("mean", "std"))

    def normalize(picture):
        return (picture - mean) / std

    splits = {
        name: (read_pictures(split["file"], split["sizes"]), torch.tensor(split["classes"]))
        for name, split in task["splits"].items()
    }
    pictures, classes = splits["train"]
    optimizer = torch.optim.SGD(
        parameter_groups(network, task["bodyRate"], classifier), lr=0.0, momentum=MOMENTUM, nesterov=True
    )
    average, steps, step = copy.deepcopy(network), len(pictures) // BATCH, 0
    total, warm_up = epochs * steps, steps
    keep = min(0.998, 1 - 20 / total)
    for epoch in range(epochs):
        start, order, losses = time.perf_counter(), torch.randperm(len(pictures)), 0.0
        for at in range(steps):
            chosen = order[at * BATCH : (at + 1) * BATCH]
            batch = torch.stack([normalize(augmented(pictures[i], size)) for i in chosen])
            batch = batch.contiguous(memory_format=torch.channels_last)
            share = (step + 1) / warm_up if step < warm_up else 0.5 + 0.5 * math.cos(
                math.pi * (step - warm_up) / (total - warm_up)
            )
            for group in optimizer.param_groups:
                group["lr"] = task["rate"] * share * group["share"]
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(network(batch), classes[chosen], label_smoothing=SMOOTHING)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            step += 1
            losses += loss.item()
            with torch.no_grad():
                decay = min(keep, step / (step + 10))
                for mine, theirs in zip(average.state_dict().values(), network.state_dict().values()):
                    mine.lerp_(theirs, 1 - decay)
        seconds = time.perf_counter() - start
        line = {"epoch": epoch + 1, "loss": losses / steps, "imagesPerSecond": steps * BATCH / seconds}
        if epoch + 1 == epochs:
            line["top1"] = accuracy(average, *splits["test"], normalize, size)
        print(json.dumps(line), flush=True)


main()
