import { replaceConvolutions } from "../cost/replace.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, isNode, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import { classifierHead, normedConvolution } from "../networks/layers.ts";
import { rewriteGraph } from "./rewrite_graph.ts";

/** The papers' networks, to be measured, or those for 32x32 pictures of ten classes, to be trained. */
export type IdeaScale = "published" | "small";

/** A network with an idea and its twin without. */
export interface Idea {
  readonly id: string;
  readonly title: string;
  /** Who had it. */
  readonly paper: string;
  /** What was done to make the twin. */
  readonly twin: string;
  readonly withIdea: (scale: IdeaScale) => Graph;
  readonly withoutIdea: (scale: IdeaScale) => Graph;
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

/** Residual blocks in a row: inverted ones join their narrow ends, classical ones their wide ends. */
function residualBlocks(kind: "inverted" | "classical", scale: IdeaScale): Graph {
  const [narrow, wide] = [32, 192];
  const [outside, inside] = kind === "inverted" ? [narrow, wide] : [wide, narrow];
  return rowOfBlocks(
    `${kind} residuals`,
    scale,
    { channels: outside, blocks: scale === "small" ? 4 : 10 },
    (builder, x) => {
      let y = normed(builder, "first", x, { channels: inside, activation: "relu6" });
      y = normed(builder, "depthwise", y, { channels: inside, kernel: 3, groups: inside, activation: "relu6" });
      return builder.add("add", x, normed(builder, "last", y, { channels: outside }));
    },
  );
}

/** Fires in a row: the two halves of the expansion side by side, or two whole ones added. */
function fires(join: "concatenate" | "add", scale: IdeaScale): Graph {
  const [squeeze, expand] = scale === "small" ? [16, 64] : [32, 256];
  return rowOfBlocks(`fires, ${join}`, scale, { channels: expand, blocks: scale === "small" ? 4 : 8 }, (builder, x) => {
    const channels = join === "concatenate" ? expand / 2 : expand;
    const squeezed = normed(builder, "squeeze", x, { channels: squeeze, activation: "relu" });
    const small = normed(builder, "expand1x1", squeezed, { channels });
    const large = normed(builder, "expand3x3", squeezed, { channels, kernel: 3 });
    const joined: Value =
      join === "add" ? builder.add("add", small, large) : builder.concatenate("concatenate", [small, large]);
    return builder.activation("relu", joined, "relu");
  });
}

/** Equal blocks, one after the other: at 28x28; small ones at 16x16, between a stem and a classifier. */
function rowOfBlocks(
  name: string,
  scale: IdeaScale,
  { channels, blocks }: { readonly channels: number; readonly blocks: number },
  block: (builder: GraphBuilder, x: Value) => Value,
): Graph {
  const builder = graphBuilder(name);
  let x =
    scale === "small"
      ? normed(builder, "stem", builder.input("input", [1, 32, 32, 3]), { channels, kernel: 3, stride: 2 })
      : builder.input("input", [1, 28, 28, channels]);
  for (let number = 1; number <= blocks; number++) x = builder.scope(`block${number}`, () => block(builder, x));
  return builder.build({ output: scale === "small" ? classifierHead(builder, x, { classes: 10 }) : x });
}

/** A convolution and its norm. */
function normed(
  builder: GraphBuilder,
  name: string,
  x: Value,
  options: { channels: number; kernel?: number; groups?: number; stride?: number; activation?: "relu" | "relu6" },
): Value {
  return normedConvolution(builder, name, x, { epsilon: 1e-5, ...options });
}

/** SqueezeNet with its pools after fire2 and fire3 instead of fire4 and fire8. */
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

/** The network of a family that is measured; `FAMILY_cifar` is the one that is trained. */
const published = {
  squeezenet: "squeezenet_1.0",
  mobilenet_v1: "mobilenet_v1_0.5_224",
  shufflenet_v1: "shufflenet_v1_1.0_g3",
  igcv1: "igcv1_l24m2_cifar",
  igcv3: "igcv3_d_1.0",
  mobilenet_v2: "mobilenet_v2_1.0_224",
  squeezenext: "squeezenext_1.0_23",
} as const;

/** Where the small network has more to it than the published one, or twins of several times its work, which have to be trained too. */
const smallOptions: { readonly [family in keyof typeof published]?: Readonly<Record<string, unknown>> } = {
  squeezenet: { layout: "1.0", bypass: "none", baseExpand: 48, expandIncrement: 48 },
  mobilenet_v1: { width: 0.25 },
};

/** A family's network as a function of the scale, with options, or with a change. */
function graphOf(
  family: keyof typeof published,
  options?: Readonly<Record<string, unknown>>,
): (scale: IdeaScale) => Graph {
  return (scale) =>
    scale === "small"
      ? build(`${family}_cifar`, { ...smallOptions[family], ...options }).graph
      : build(published[family], options).graph;
}

function changed(family: keyof typeof published, change: (graph: Graph) => Graph): (scale: IdeaScale) => Graph {
  return (scale) => change(graphOf(family)(scale));
}

/** The ideas, in the order in which the field had them. */
export const ideas: readonly Idea[] = [
  {
    id: "squeeze 1x1",
    title: "1x1 for 3x3 kernels",
    paper: "SqueezeNet, strategy 1",
    twin: "SqueezeNet 1.0 with all expand kernels 3x3",
    withIdea: graphOf("squeezenet"),
    withoutIdea: graphOf("squeezenet", { share3x3: 1 }),
  },
  {
    id: "squeeze few",
    title: "Few channels into 3x3 kernels",
    paper: "SqueezeNet, strategy 2",
    twin: "SqueezeNet 1.0 with a squeeze ratio of 0.75 instead of 0.125",
    withIdea: graphOf("squeezenet"),
    withoutIdea: graphOf("squeezenet", { squeezeRatio: 0.75 }),
  },
  {
    id: "squeeze late",
    title: "Late downsampling",
    paper: "SqueezeNet, strategy 3: buys accuracy, and costs time",
    twin: "SqueezeNet 1.0 with its pools after fires 2 and 3 instead of 4 and 8",
    withIdea: graphOf("squeezenet"),
    withoutIdea: changed("squeezenet", withEarlyPools),
  },
  {
    id: "concatenation",
    title: "Concatenation instead of addition",
    paper: "SqueezeNet's Fire, ShuffleNet V2's units",
    twin: "eight fires at 28x28 whose branches give all channels and are added",
    withIdea: (scale) => fires("concatenate", scale),
    withoutIdea: (scale) => fires("add", scale),
  },
  {
    id: "separable",
    title: "Depthwise separable convolution",
    paper: "Xception, MobileNet V1",
    twin: "MobileNet V1 0.5 with standard convolutions (table 4 of its paper)",
    withIdea: graphOf("mobilenet_v1"),
    withoutIdea: changed("mobilenet_v1", (graph) => replaceConvolutions(graph, ["depthwise=standard"]).graph),
  },
  {
    id: "pointwise",
    title: "Communication: pointwise convolution",
    paper: "Xception, MobileNet V1",
    twin: "MobileNet V1 0.5 with its pointwise convolutions cut into as many groups as their channels allow",
    withIdea: graphOf("mobilenet_v1"),
    withoutIdea: changed("mobilenet_v1", withoutPointwise),
    communicates: true,
  },
  {
    id: "groups",
    title: "Grouped pointwise convolution",
    paper: "ShuffleNet v1: 1/g of the work",
    twin: "ShuffleNet v1 1x, 3 groups, with dense pointwise convolutions",
    withIdea: graphOf("shufflenet_v1"),
    withoutIdea: changed("shufflenet_v1", (graph) => replaceConvolutions(graph, ["grouped=dense"]).graph),
  },
  {
    id: "shuffle",
    title: "Communication: channel shuffle",
    paper: "ShuffleNet v1",
    twin: "ShuffleNet v1 1x, 3 groups, without its shuffles",
    withIdea: graphOf("shufflenet_v1"),
    withoutIdea: changed("shufflenet_v1", withoutPermutations),
    communicates: true,
  },
  {
    id: "interleaving",
    title: "Communication: interleaved permutation",
    paper: "IGCV1",
    twin: "IGCV1 L24M2 (32x32) without its permutations",
    withIdea: graphOf("igcv1"),
    withoutIdea: changed("igcv1", withoutPermutations),
    communicates: true,
  },
  {
    id: "interleaving v3",
    title: "Communication: low-rank interleaving",
    paper: "IGCV3",
    twin: "IGCV3-D without its permutations",
    withIdea: graphOf("igcv3"),
    withoutIdea: changed("igcv3", withoutPermutations),
    communicates: true,
  },
  {
    id: "linear bottleneck",
    title: "Linear bottleneck",
    paper: "MobileNet V2",
    twin: "MobileNet V2 1.0 with ReLU6 after every projection",
    withIdea: graphOf("mobilenet_v2"),
    withoutIdea: changed("mobilenet_v2", withReluBottleneck),
  },
  {
    id: "inverted residual",
    title: "Inverted residual",
    paper: "MobileNet V2",
    twin: "ten classical residuals at 28x28, 192 channels outside and 32 inside, against 32 and 192",
    withIdea: (scale) => residualBlocks("inverted", scale),
    withoutIdea: (scale) => residualBlocks("classical", scale),
  },
  {
    id: "low rank",
    title: "Low-rank pairs of 3x1 and 1x3",
    paper: "SqueezeNext",
    twin: "SqueezeNext 1.0-23 with one 3x3 kernel from a quarter to a half of the channels for each pair, which takes as many multiply-accumulates as the pair with its wide middle",
    withIdea: graphOf("squeezenext"),
    withoutIdea: changed("squeezenext", withSquareKernels),
  },
  {
    id: "two stages",
    title: "Two-stage bottleneck",
    paper: "SqueezeNext",
    twin: "SqueezeNext 1.0-23 reduced to a quarter by one 1x1 convolution",
    withIdea: graphOf("squeezenext"),
    withoutIdea: changed("squeezenext", withOneStage),
  },
];
