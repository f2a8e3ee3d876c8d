import { type Graph, type Node, nodeOf } from "../graph/graph.ts";
import type { Activation, OperationName, OperationOf, Pair } from "../graph/operations.ts";
import type { Shape } from "../tensor.ts";
import type { BoxKind } from "./theme.ts";

/** What a picture says of one operation. */
export interface OperationWords {
  readonly kind: BoxKind;
  /** `1×1 group convolution`: the heading of its box. */
  readonly title: string;
  /** `1×1 g3`: where there is little room. Empty for what is left out there. */
  readonly chip: string;
  /** `3 groups`, `stride 2`: below the heading. */
  readonly details: readonly string[];
}

type WordsRule<K extends OperationName> = (operation: OperationOf<K>, inputs: readonly Shape[]) => OperationWords;

const activationWords: { readonly [K in Activation]: string } = {
  none: "",
  relu: "ReLU",
  relu6: "ReLU6",
  sigmoid: "sigmoid",
  swish: "swish",
  hard_sigmoid: "hard sigmoid",
  hard_swish: "hard swish",
};

function plain(title: string, chip: string = "", details: readonly string[] = []): OperationWords {
  return { kind: "plain", title, chip, details };
}

const wordsRules = {
  input: () => plain("input"),
  parameter: () => plain("parameter"),
  convolution: (operation, inputs) => {
    const [kh = 1, kw = 1] = inputs[1] ?? [];
    const { stride, dilation, groups, activation, residual, residualActivation } = operation;
    const isDepthwise = groups > 1 && groups === inputs[0]?.at(-1);
    const kind = isDepthwise ? "depthwise" : groups > 1 ? "grouped" : "dense";
    const size = pairWords([kh, kw]);
    const name = { depthwise: "depthwise", grouped: "group convolution", dense: "convolution" }[kind];
    const mark = { depthwise: " dw", grouped: ` g${groups}`, dense: "" }[kind];
    return {
      kind,
      title: `${size} ${name}`,
      chip: `${size}${mark}${strideMark(stride)}`,
      details: [
        kind === "grouped" ? `${groups} groups` : "",
        ...strideWords(stride),
        isOnes(dilation) ? "" : `dilation ${pairWords(dilation)}`,
        activationWords[activation],
        residual ? "plus residual" : "",
        activationWords[residualActivation],
      ],
    };
  },
  batch_norm: () => plain("batch norm", "", []),
  activation: ({ activation }) => plain(activationWords[activation] || "identity"),
  add: ({ activation }) => ({ kind: "join", title: "add", chip: "+", details: [activationWords[activation]] }),
  multiply: () => ({ kind: "join", title: "multiply", chip: "scale", details: [] }),
  concatenate: () => ({ kind: "join", title: "concatenate", chip: "concat", details: [] }),
  slice: ({ start, count }) => ({
    kind: "join",
    title: `channels ${start} to ${start + count - 1}`,
    chip: "split",
    details: [],
  }),
  permute: ({ permutation }) => ({
    kind: "permute",
    title: permutation.kind === "shuffle" ? `shuffle by ${permutation.groups}` : "permutation",
    chip: permutation.kind === "shuffle" ? `shuffle ${permutation.groups}` : "permute",
    details: [],
  }),
  max_pool: ({ kernel, stride, ceil }) => poolWords("max", kernel, stride, ceil),
  average_pool: ({ kernel, stride, ceil }) => poolWords("average", kernel, stride, ceil),
  global_average_pool: () => ({ kind: "pool", title: "global average pool", chip: "mean", details: [] }),
  linear: ({ activation }) => ({
    kind: "dense",
    title: "linear",
    chip: "linear",
    details: [activationWords[activation]],
  }),
  softmax: () => plain("softmax", "softmax"),
  flatten: () => plain("flatten"),
  dropout: ({ rate }) => plain("dropout", "", [`rate ${rate}`]),
  pad: ({ padding }) =>
    plain("pad", "pad", [`${padding.top}, ${padding.bottom}, ${padding.left}, ${padding.right} cells`]),
  resize: ({ height, width, mode }) => plain(`${mode} resize`, "resize", [`to ${height}×${width}`]),
} satisfies { readonly [K in OperationName]: WordsRule<K> };

/** What to call a node in a picture. */
export function operationWords(graph: Graph, node: Node): OperationWords {
  const rule = wordsRules[node.operation.op] as WordsRule<OperationName>;
  const words = rule(
    node.operation,
    node.inputs.map((input) => nodeOf(graph, input).shape),
  );
  return { ...words, details: words.details.filter((detail) => detail !== "") };
}

function poolWords(mean: "max" | "average", kernel: Pair, stride: Pair, ceil: boolean): OperationWords {
  const size = pairWords(kernel);
  return {
    kind: "pool",
    title: `${size} ${mean} pool`,
    chip: `${size} ${mean === "max" ? "max" : "avg"}${strideMark(stride)}`,
    details: [...strideWords(stride), ceil ? "rounded up" : ""],
  };
}

function strideWords(stride: Pair): readonly string[] {
  if (isOnes(stride)) return [];
  return [`stride ${stride[0] === stride[1] ? stride[0] : pairWords(stride)}`];
}

/** `/2`, as in the tables of papers. */
function strideMark(stride: Pair): string {
  if (isOnes(stride)) return "";
  return ` /${stride[0] === stride[1] ? stride[0] : pairWords(stride)}`;
}

function isOnes([vertical, horizontal]: Pair): boolean {
  return vertical === 1 && horizontal === 1;
}

function pairWords([vertical, horizontal]: Pair): string {
  return `${vertical}×${horizontal}`;
}

/** `28×28×240`: a shape without its batch of one. */
export function shapeWords(shape: Shape): string {
  return (shape.length > 1 && shape[0] === 1 ? shape.slice(1) : shape).join("×");
}

/** `585 M`: three digits that matter. */
export function countWords(count: number): string {
  const units: readonly (readonly [size: number, name: string])[] = [
    [1e9, " G"],
    [1e6, " M"],
    [1e3, " k"],
  ];
  // 999.5: what three digits round up to the next unit.
  const [size, name] = units.find(([unit]) => count >= unit * 0.9995) ?? [1, ""];
  return `${Number((count / size).toPrecision(3))}${name}`;
}
