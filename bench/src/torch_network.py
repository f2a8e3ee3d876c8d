"""A graph of ours as a PyTorch module: pictures are [N, C, H, W] there, in channels-last memory, which is its fastest on a CPU."""

import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {
    "none": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "hard_swish": F.hardswish,
    "hard_sigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "swish": F.silu,
}


def pads(padding):
    return [padding["left"], padding["right"], padding["top"], padding["bottom"]]


def window(x, attributes, fill=0.0):
    """Pads what PyTorch's symmetric argument cannot say; returns the picture and that argument."""
    left, right, top, bottom = pads(attributes["padding"])
    if left == right and top == bottom:
        return x, (top, left)
    return F.pad(x, [left, right, top, bottom], value=fill), (0, 0)


class Network(nn.Module):
    """Runs the nodes of a graph in order; parameters keep our names.

    `weights` holds our layouts, [kh, kw, in, out] and [in, out], unless `native` says that they are PyTorch's.
    """

    def __init__(self, graph, weights, native=False):
        super().__init__()
        self.nodes = [{**node["operation"], "name": node["name"], "inputs": node["inputs"]} for node in graph["nodes"]]
        self.output = graph["outputs"][0]["value"]
        self.tensors = {}
        kernels = {node["inputs"][1]: node["op"] for node in self.nodes if node["op"] in ("convolution", "linear")}
        for position, node in enumerate(self.nodes):
            if node["op"] != "parameter":
                continue
            value = weights[node["name"]]
            op = kernels.get(position)
            if op == "convolution":
                value = value if native else value.permute(3, 2, 0, 1)
                value = value.contiguous(memory_format=torch.channels_last)
            elif op == "linear":
                value = value.flatten(1) if native else value.t().contiguous()
            name = node["name"].replace("/", "|").replace(".", "_")
            if node["trainable"]:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)
            self.tensors[position] = name

    def forward(self, pictures):
        values = {}
        for position, node in enumerate(self.nodes):
            if node["op"] == "input":
                values[position] = pictures
            elif node["op"] == "parameter":
                values[position] = getattr(self, self.tensors[position])
            else:
                values[position] = self.run(node, [values[i] for i in node["inputs"]])
        return values[self.output]

    def run(self, node, inputs):
        x = inputs[0]
        match node["op"]:
            case "convolution":
                x, padding = window(x, node)
                bias = inputs[2] if node["bias"] else None
                x = F.conv2d(x, inputs[1], bias, tuple(node["stride"]), padding, tuple(node["dilation"]), node["groups"])
                x = ACTIVATIONS[node["activation"]](x)
                return ACTIVATIONS[node["residualActivation"]](x + inputs[-1]) if node["residual"] else x
            case "batch_norm":
                gamma, beta, mean, variance = inputs[1:]
                return F.batch_norm(x, mean, variance, gamma, beta, self.training, 0.1, node["epsilon"])
            case "activation":
                return ACTIVATIONS[node["activation"]](x)
            case "add":
                return ACTIVATIONS[node["activation"]](x + inputs[1])
            case "multiply":
                return x * inputs[1]
            case "concatenate":
                return torch.cat(inputs, 1)
            case "slice":
                return x[:, node["start"] : node["start"] + node["count"]]
            case "permute":
                return self.permute(x, node["permutation"])
            case "max_pool":
                x, padding = window(x, node, float("-inf"))
                return F.max_pool2d(x, tuple(node["kernel"]), tuple(node["stride"]), padding, ceil_mode=node["ceil"])
            case "average_pool":
                x, padding = window(x, node)
                include = node["countIncludePad"]
                return F.avg_pool2d(x, tuple(node["kernel"]), tuple(node["stride"]), padding, node["ceil"], include)
            case "global_average_pool":
                return x.mean((2, 3), keepdim=True)
            case "flatten":
                return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x.flatten(1)
            case "linear":
                return ACTIVATIONS[node["activation"]](F.linear(x, inputs[1], inputs[2] if node["bias"] else None))
            case "dropout":
                return F.dropout(x, node["rate"], self.training)
            case "pad":
                return F.pad(x, pads(node["padding"]), value=node["value"])
        raise NotImplementedError(f"{node['name']}: {node['op']}")

    @staticmethod
    def permute(x, permutation):
        if permutation["kind"] == "shuffle":
            n, c, h, w = x.shape
            groups = permutation["groups"]
            return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)
        return x[:, torch.tensor(permutation["order"])]
