import { replaceConvolutions } from "../cost/replace.ts";
import { graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import { rewriteGraph } from "./rewrite_graph.ts";

/** A network with an idea and its twin without. */
export interface Idea {
  readonly id: string;
  readonly title: string;
  /** Who had it. */
  readonly paper: string;
  /** What was done to make the twin. */
  readonly twin: string;
  readonly withIdea: () => Graph;
  readonly withoutIdea: () => Graph;
  /** Whether it is about which channels reach which: then connected pairs are counted. */
  readonly communicates?: boolean;
}

/** Without its permutations: groups stay among themselves. */
function withoutPermutations(graph: Graph): Graph {
  return rewriteGraph(graph, `${graph.name} without permutations`, (node, to) =>
    isNode(node, "permute") ? to.value(node.inputs[0] as ValueId) : undefined,
  );
}

/** Pointwise convolutions cut into as many groups as their channels allow: a channel goes its own way. */
function withoutPointwise(graph: Graph): Graph {
  return rewriteGraph(graph, `${graph.name} without pointwise mixing`, (node, to) => {
    if (!isNode(node, "convolution")) return undefined;
    const [kh, kw, inputs = 1, outputs = 1] = nodeOf(graph, node.inputs[1] as ValueId).shape;
    if (kh !== 1 || kw !== 1 || node.operation.groups !== 1) return undefined;
    const groups = greatestCommonDivisor(inputs, outputs);
    return to.builder.convolution(node.name, to.value(node.inputs[0] as ValueId), {
      channels: outputs,
      groups,
      stride: node.operation.stride,
    });
  });
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** A ReLU6 after every projection of MobileNetV2. */
function withReluBottleneck(graph: Graph): Graph {
  return rewriteGraph(graph, `${graph.name} with ReLU bottlenecks`, (node, to) =>
    node.name.endsWith("/project/norm")
      ? to.builder.activation(`${node.name}/relu6`, to.keep(node), "relu6")
      : undefined,
  );
}

/** Residual blocks in a row, at 28x28: inverted ones join their narrow ends, classical ones their wide ends. */
function residualBlocks(kind: "inverted" | "classical"): Graph {
  const [narrow, wide, blocks] = [32, 192, 10];
  const [outside, inside] = kind === "inverted" ? [narrow, wide] : [wide, narrow];
  const builder = graphBuilder(`${kind} residuals`);
  let x = builder.input("input", [1, 28, 28, outside]);
  for (let block = 1; block <= blocks; block++) {
    x = builder.scope(`block${block}`, () => {
      let y = builder.convolution("first", x, { channels: inside });
      y = builder.activation("first/relu6", y, "relu6");
      y = builder.convolution("depthwise", y, { channels: inside, kernel: 3, groups: inside });
      y = builder.activation("depthwise/relu6", y, "relu6");
      return builder.add("add", x, builder.convolution("last", y, { channels: outside }));
    });
  }
  return builder.build({ output: x });
}

/** Fires in a row, at 28x28: the two halves of the expansion side by side, or two whole ones added. */
function fires(join: "concatenate" | "add"): Graph {
  const [squeeze, expand, blocks] = [32, 256, 8];
  const builder = graphBuilder(`fires, ${join}`);
  let x = builder.input("input", [1, 28, 28, expand]);
  for (let block = 1; block <= blocks; block++) {
    x = builder.scope(`fire${block}`, () => {
      const channels = join === "concatenate" ? expand / 2 : expand;
      const squeezed = builder.activation(
        "squeeze/relu",
        builder.convolution("squeeze", x, { channels: squeeze }),
        "relu",
      );
      const small = builder.convolution("expand1x1", squeezed, { channels });
      const large = builder.convolution("expand3x3", squeezed, { channels, kernel: 3 });
      const joined: Value =
        join === "add" ? builder.add("add", small, large) : builder.concatenate("concatenate", [small, large]);
      return builder.activation("relu", joined, "relu");
    });
  }
  return builder.build({ output: x });
}

/** SqueezeNet 1.0 with its pools after fire2 and fire3 instead of fire4 and fire8. */
function withEarlyPools(graph: Graph): Graph {
  const moved: Readonly<Record<string, string>> = { "fire2/concatenate": "pool4", "fire3/concatenate": "pool8" };
  return rewriteGraph(graph, `${graph.name} with early downsampling`, (node, to) => {
    if (node.name === "pool4" || node.name === "pool8") return to.value(node.inputs[0] as ValueId);
    const pool = moved[node.name];
    if (pool === undefined) return undefined;
    return to.builder.maxPool(pool, to.keep(node), { kernel: 3, stride: 2, padding: "valid", ceil: true });
  });
}

/** SqueezeNext's pairs of 3x1 and 1x3 as one 3x3 each: the first of a pair and what follows it are left out. */
function withSquareKernels(graph: Graph): Graph {
  return rewriteGraph(graph, `${graph.name} with 3x3 kernels`, (node, to) => {
    if (/\/conv3(\/|$)/.test(node.name)) return to.value(node.inputs[0] as ValueId);
    if (!isNode(node, "convolution") || !node.name.endsWith("/conv4")) return undefined;
    const channels = node.shape[3] ?? 1;
    return to.builder.convolution(node.name, to.value(node.inputs[0] as ValueId), { channels, kernel: 3 });
  });
}

/** SqueezeNext with a single reduction, straight to a quarter. */
function withOneStage(graph: Graph): Graph {
  return rewriteGraph(graph, `${graph.name} with one-stage bottlenecks`, (node, to) => {
    if (isInside(node, "conv2")) return to.value(node.inputs[0] as ValueId);
    if (!isInside(node, "conv1")) return undefined;
    const input = to.value(node.inputs[0] as ValueId);
    if (isNode(node, "convolution")) {
      const channels = (node.shape[3] ?? 2) / 2;
      return to.builder.convolution(node.name, input, { channels, stride: node.operation.stride });
    }
    // Its parameters have the length of the channels, which are half as many now.
    return isNode(node, "batch_norm") ? to.builder.batchNorm(node.name, input, node.operation) : undefined;
  });
}

function isInside(node: Node, part: string): boolean {
  return new RegExp(`/${part}(/|$)`).test(node.name);
}

const graphOf = (name: string, options?: Readonly<Record<string, unknown>>) => () => build(name, options).graph;

/** The ideas, in the order in which the field had them. */
export const ideas: readonly Idea[] = [
  {
    id: "squeeze 1x1",
    title: "1x1 for 3x3 kernels",
    paper: "SqueezeNet, strategy 1",
    twin: "SqueezeNet 1.0 with all expand kernels 3x3",
    withIdea: graphOf("squeezenet_1.0"),
    withoutIdea: graphOf("squeezenet_1.0", { share3x3: 1 }),
  },
  {
    id: "squeeze few",
    title: "Few channels into 3x3 kernels",
    paper: "SqueezeNet, strategy 2",
    twin: "SqueezeNet 1.0 with a squeeze ratio of 0.75 instead of 0.125",
    withIdea: graphOf("squeezenet_1.0"),
    withoutIdea: graphOf("squeezenet_1.0", { squeezeRatio: 0.75 }),
  },
  {
    id: "squeeze late",
    title: "Late downsampling",
    paper: "SqueezeNet, strategy 3: buys accuracy, and costs time",
    twin: "SqueezeNet 1.0 with its pools after fires 2 and 3 instead of 4 and 8",
    withIdea: graphOf("squeezenet_1.0"),
    withoutIdea: () => withEarlyPools(build("squeezenet_1.0").graph),
  },
  {
    id: "concatenation",
    title: "Concatenation instead of addition",
    paper: "SqueezeNet's Fire, ShuffleNet V2's units",
    twin: "eight fires at 28x28 whose branches give all channels and are added",
    withIdea: () => fires("concatenate"),
    withoutIdea: () => fires("add"),
  },
  {
    id: "separable",
    title: "Depthwise separable convolution",
    paper: "Xception, MobileNet V1",
    twin: "MobileNet V1 0.5 with standard convolutions (table 4 of its paper)",
    withIdea: graphOf("mobilenet_v1_0.5_224"),
    withoutIdea: () => replaceConvolutions(build("mobilenet_v1_0.5_224").graph, ["depthwise=standard"]).graph,
  },
  {
    id: "pointwise",
    title: "Communication: pointwise convolution",
    paper: "Xception, MobileNet V1",
    twin: "MobileNet V1 0.5 with its pointwise convolutions cut into as many groups as their channels allow",
    withIdea: graphOf("mobilenet_v1_0.5_224"),
    withoutIdea: () => withoutPointwise(build("mobilenet_v1_0.5_224").graph),
    communicates: true,
  },
  {
    id: "groups",
    title: "Grouped pointwise convolution",
    paper: "ShuffleNet v1: 1/g of the work",
    twin: "ShuffleNet v1 1x, 3 groups, with dense pointwise convolutions",
    withIdea: graphOf("shufflenet_v1_1.0_g3"),
    withoutIdea: () => replaceConvolutions(build("shufflenet_v1_1.0_g3").graph, ["grouped=dense"]).graph,
  },
  {
    id: "shuffle",
    title: "Communication: channel shuffle",
    paper: "ShuffleNet v1",
    twin: "ShuffleNet v1 1x, 3 groups, without its shuffles",
    withIdea: graphOf("shufflenet_v1_1.0_g3"),
    withoutIdea: () => withoutPermutations(build("shufflenet_v1_1.0_g3").graph),
    communicates: true,
  },
  {
    id: "interleaving",
    title: "Communication: interleaved permutation",
    paper: "IGCV1",
    twin: "IGCV1 L24M2 (32x32) without its permutations",
    withIdea: graphOf("igcv1_l24m2_cifar"),
    withoutIdea: () => withoutPermutations(build("igcv1_l24m2_cifar").graph),
    communicates: true,
  },
  {
    id: "interleaving v3",
    title: "Communication: low-rank interleaving",
    paper: "IGCV3",
    twin: "IGCV3-D without its permutations",
    withIdea: graphOf("igcv3_d_1.0"),
    withoutIdea: () => withoutPermutations(build("igcv3_d_1.0").graph),
    communicates: true,
  },
  {
    id: "linear bottleneck",
    title: "Linear bottleneck",
    paper: "MobileNet V2",
    twin: "MobileNet V2 1.0 with ReLU6 after every projection",
    withIdea: graphOf("mobilenet_v2_1.0_224"),
    withoutIdea: () => withReluBottleneck(build("mobilenet_v2_1.0_224").graph),
  },
  {
    id: "inverted residual",
    title: "Inverted residual",
    paper: "MobileNet V2",
    twin: "ten classical residuals at 28x28, 192 channels outside and 32 inside, against 32 and 192",
    withIdea: () => residualBlocks("inverted"),
    withoutIdea: () => residualBlocks("classical"),
  },
  {
    id: "low rank",
    title: "Low-rank pairs of 3x1 and 1x3",
    paper: "SqueezeNext",
    twin: "SqueezeNext 1.0-23 with one 3x3 kernel from a quarter to a half of the channels for each pair, which takes as many multiply-accumulates as the pair with its wide middle",
    withIdea: graphOf("squeezenext_1.0_23"),
    withoutIdea: () => withSquareKernels(build("squeezenext_1.0_23").graph),
  },
  {
    id: "two stages",
    title: "Two-stage bottleneck",
    paper: "SqueezeNext",
    twin: "SqueezeNext 1.0-23 reduced to a quarter by one 1x1 convolution",
    withIdea: graphOf("squeezenext_1.0_23"),
    withoutIdea: () => withOneStage(build("squeezenext_1.0_23").graph),
  },
];
