"""Writes step.golden.json: losses and gradients of three small networks. Run by hand: python3 step_goldens.py

An implementation of its own in NumPy, forward passes alone: gradients are complex-step derivatives, Im f(x + ih) / h with h = 1e-30,
which are exact to the last digits.
"""

import json
from pathlib import Path

import numpy as np


def numbers(name, shape):
    """The twin of goldenNumbers in interpret_step.test.ts: −1 to 1, by name."""
    state = 0
    for letter in name:
        state = (state * 31 + ord(letter)) % 2**32
    values = []
    for _ in range(int(np.prod(shape))):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append(2 * (state / 2**32) - 1)
    return np.array(values).reshape(shape)


def pad(x, top, bottom, left, right, value=0.0):
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def conv(x, kernel, stride=1, padding=(0, 0, 0, 0), dilation=1, groups=1, bias=None):
    """x [N, H, W, C], kernel [kh, kw, C/groups, out]"""
    x = pad(x, *padding)
    kh, kw, per_group, out = kernel.shape
    oh = (x.shape[1] - (kh - 1) * dilation - 1) // stride + 1
    ow = (x.shape[2] - (kw - 1) * dilation - 1) // stride + 1
    y = np.zeros((x.shape[0], oh, ow, out), dtype=complex)
    for g in range(groups):
        channels = slice(g * per_group, (g + 1) * per_group)
        outs = slice(g * out // groups, (g + 1) * out // groups)
        for i in range(kh):
            for j in range(kw):
                rows = slice(i * dilation, i * dilation + (oh - 1) * stride + 1, stride)
                columns = slice(j * dilation, j * dilation + (ow - 1) * stride + 1, stride)
                y[..., outs] += x[:, rows, columns, channels] @ kernel[i, j, :, outs]
    return y if bias is None else y + bias


def batch_norm(x, gamma, beta, epsilon):
    mean = x.mean(axis=(0, 1, 2))
    variance = ((x - mean) ** 2).mean(axis=(0, 1, 2))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta, np.stack([mean, variance])


def clip(x, low, high):
    return np.where(x.real <= low, low, np.where(x.real >= high, high, x))


def relu6(x):
    return clip(x, 0, 6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hard_swish(x):
    return x * clip(x + 3, 0, 6) / 6


def max_pool(x, kernel, stride, padding):
    x = pad(x, *padding, value=-np.inf)
    oh, ow = (x.shape[1] - kernel) // stride + 1, (x.shape[2] - kernel) // stride + 1
    n, c = x.shape[0], x.shape[3]
    y = np.zeros((n, oh, ow, c), dtype=complex)
    for i in range(oh):
        for j in range(ow):
            window = x[:, i * stride:i * stride + kernel, j * stride:j * stride + kernel].reshape(n, -1, c)
            largest = window.real.argmax(axis=1)
            y[:, i, j] = np.take_along_axis(window, largest[:, None], axis=1)[:, 0]
    return y


def average_pool_ceil(x, size):
    """Windows of size x size side by side; those at the end hold what is left."""
    rows = [x[:, i:i + size] for i in range(0, x.shape[1], size)]
    return np.stack(
        [np.stack([r[:, :, j:j + size].mean(axis=(1, 2)) for j in range(0, x.shape[2], size)], axis=1) for r in rows],
        axis=1,
    )


def bilinear_matrix(size, count):
    matrix = np.zeros((count, size))
    for o in range(count):
        position = min(max((o + 0.5) * size / count - 0.5, 0), size - 1)
        first = int(position)
        matrix[o, first] += 1 - (position - first)
        matrix[o, min(first + 1, size - 1)] += position - first
    return matrix


def softmax(x):
    e = np.exp(x - x.real.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def inverted_residual(x, p):
    moments = {}

    def norm(y, name):
        y, moments[name] = batch_norm(y, p[name + "/gamma"], p[name + "/beta"], 1e-5)
        return y

    y = relu6(norm(conv(x, p["expand/kernel"]), "expand/norm"))
    y = relu6(norm(conv(y, p["depthwise/kernel"], padding=(1, 1, 1, 1), groups=8), "depthwise/norm"))
    y = norm(conv(y, p["project/kernel"]), "project/norm") + x
    y = conv(y, p["down/kernel"], stride=2, padding=(0, 1, 0, 1), groups=4, bias=p["down/bias"])
    y = hard_swish(y).mean(axis=(1, 2))
    return y @ p["classifier/kernel"] + p["classifier/bias"], moments


def shuffle_unit(x, p):
    moments = {}
    x = max_pool(x, 3, 2, (1, 1, 1, 1))
    left, right = x[..., :3], x[..., 3:]
    y = conv(right, p["grouped/kernel"], dilation=2, padding=(2, 2, 2, 2), groups=3)
    y, moments["grouped/norm"] = batch_norm(y, p["grouped/norm/gamma"], p["grouped/norm/beta"], 1e-3)
    y = y * sigmoid(y)
    y = np.concatenate([left, y, right[..., 1:2]], axis=-1)
    n, h, w, c = y.shape
    y = y.reshape(n, h, w, 2, c // 2).swapaxes(3, 4).reshape(n, h, w, c)
    y = average_pool_ceil(y, 2).reshape(n, -1)
    return y @ p["classifier/kernel"] + p["classifier/bias"], moments


def squeeze_excite(x, p):
    y = conv(x, p["stem/kernel"], stride=2, bias=p["stem/bias"])
    gate = conv(y.mean(axis=(1, 2), keepdims=True), p["reduce/kernel"], bias=p["reduce/bias"])
    gate = sigmoid(conv(clip(gate, 0, np.inf), p["expand/kernel"], bias=p["expand/bias"]))
    y = y * gate
    y = np.einsum("ph,nhwc->npwc", bilinear_matrix(y.shape[1], 3), y)
    y = np.einsum("qw,nhwc->nhqc", bilinear_matrix(y.shape[2], 5), y)
    y = pad(y, 1, 0, 0, 2, value=0.5)
    y = softmax(y) * p["scale"]
    y = conv(y, p["last/kernel"], stride=2).mean(axis=(1, 2))
    return clip(y, 0, np.inf), {}


CASES = {
    "inverted residual": (inverted_residual, [3, 5, 6, 4], 5, {
        "expand/kernel": [1, 1, 4, 8], "expand/norm/gamma": [8], "expand/norm/beta": [8],
        "depthwise/kernel": [3, 3, 1, 8], "depthwise/norm/gamma": [8], "depthwise/norm/beta": [8],
        "project/kernel": [1, 1, 8, 4], "project/norm/gamma": [4], "project/norm/beta": [4],
        "down/kernel": [3, 3, 1, 4], "down/bias": [4], "classifier/kernel": [4, 5], "classifier/bias": [5],
    }),
    "shuffle unit": (shuffle_unit, [2, 9, 10, 6], 3, {
        "grouped/kernel": [3, 3, 1, 6], "grouped/norm/gamma": [6], "grouped/norm/beta": [6],
        "classifier/kernel": [90, 3], "classifier/bias": [3],
    }),
    "squeeze and excite": (squeeze_excite, [2, 6, 7, 2], 4, {
        "stem/kernel": [3, 3, 2, 4], "stem/bias": [4], "reduce/kernel": [1, 1, 4, 3], "reduce/bias": [3],
        "expand/kernel": [1, 1, 3, 4], "expand/bias": [4], "scale": [2, 4, 7, 4], "last/kernel": [1, 1, 4, 4],
    }),
}


def losses(network, x, targets, parameters):
    logits, moments = network(x, parameters)
    shifted = logits - logits.real.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -(targets * log_softmax).sum(axis=1), logits, moments


def gradient(name, network, x, targets, parameters):
    result = np.zeros(parameters[name].size)
    for index in range(result.size):
        moved = parameters[name].astype(complex)
        moved.flat[index] += 1e-30j
        result[index] = losses(network, x, targets, {**parameters, name: moved})[0].mean().imag / 1e-30
    return result


def listed(array):
    return [float(f"{value:.12g}") for value in np.asarray(array).real.ravel()]


golden = {}
for case, (network, shape, classes, shapes) in CASES.items():
    parameters = {name: numbers(name, each) for name, each in shapes.items()}
    x = 2 * numbers("input", shape)
    targets = softmax(3 * numbers("targets", [shape[0], classes]))
    loss, logits, moments = losses(network, x.astype(complex), targets, parameters)
    golden[case] = {
        "loss": listed(loss),
        "logits": listed(logits),
        "moments": {name: listed(value) for name, value in moments.items()},
        "gradients": {name: listed(gradient(name, network, x, targets, parameters)) for name in parameters},
    }
text = json.dumps({"by": f"step_goldens.py with NumPy {np.__version__}", "cases": golden})
Path(__file__).with_name("step.golden.json").write_text(text + "\n")
