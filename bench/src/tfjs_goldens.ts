/** Writes small TensorFlow.js models, and what TensorFlow.js gives for them, for the reader's tests: `npm run goldens`. */
import { writeFileSync } from "node:fs";
import { type GraphModel, loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import * as tfl from "@tensorflow/tfjs-layers";
import { numbers } from "../../packages/formats/src/testing/onnx_cases.ts";

/** A model's files, an input and its output. */
interface Golden {
  readonly modelJson: object;
  /** The shard, in base64. */
  readonly weights: string;
  readonly inputShape: readonly number[];
  readonly output: readonly number[];
}

/** Numbers that are the same at each run in place of what layers begin with; variances stay positive. */
function setWeights(model: tfl.LayersModel): void {
  const weights = model.getWeights(false).map((weight, i) => {
    const name = model.weights[i]?.name ?? "";
    const values = numbers(weight.size, i + 1);
    return tf.tensor(name.includes("variance") ? values.map((value) => Math.abs(value) + 0.5) : values, weight.shape);
  });
  model.setWeights(weights);
}

async function layersGolden(model: tfl.LayersModel): Promise<Golden> {
  setWeights(model);
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save({
    save: async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    },
  });
  if (saved === undefined) throw new TypeError("The model was not saved.");
  const inputShape = (model.inputs[0]?.shape ?? []).map((length) => length ?? 1);
  const count = inputShape.reduce((product, length) => product * length, 1);
  const output = model.predict(tf.tensor(numbers(count, 5), inputShape)) as tf.Tensor;
  const modelJson = {
    format: "layers-model",
    modelTopology: saved.modelTopology,
    weightsManifest: [{ paths: ["weights.bin"], weights: saved.weightSpecs }],
  };
  return { modelJson, weights: base64(saved.weightData as ArrayBuffer), inputShape, output: rounded(output) };
}

type Layers = Readonly<Record<string, () => tfl.LayersModel>>;

/** A model of one input. */
function functional(
  shape: readonly number[],
  body: (x: tfl.SymbolicTensor) => tfl.SymbolicTensor | tfl.SymbolicTensor[],
): tfl.LayersModel {
  const x = tfl.input({ shape: [...shape] });
  return tfl.model({ inputs: x, outputs: body(x) });
}

function apply(layer: tfl.layers.Layer, x: tfl.SymbolicTensor | tfl.SymbolicTensor[]): tfl.SymbolicTensor {
  return layer.apply(x) as tfl.SymbolicTensor;
}

const { layers } = tfl;

const layersModels: Layers = {
  sequential: () =>
    tfl.sequential({
      layers: [
        layers.conv2d({
          inputShape: [9, 8, 3],
          filters: 4,
          kernelSize: [3, 2],
          strides: 2,
          padding: "same",
          activation: "relu",
        }),
        layers.batchNormalization({}),
        layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: "same", useBias: false }),
        layers.reLU({ maxValue: 6 }),
        layers.maxPooling2d({ poolSize: 2, strides: 1 }),
        layers.flatten(),
        layers.dropout({ rate: 0.5 }),
        layers.dense({ units: 5, activation: "softmax" }),
      ],
    }),
  // As in Keras's MobileNet: an average, seen as a picture of one pixel, and a 1x1 convolution of it as the classifier.
  mobilenet_head: () =>
    functional([7, 7, 3], (input) => {
      let x = apply(
        layers.zeroPadding2d({
          padding: [
            [0, 1],
            [2, 0],
          ],
        }),
        input,
      );
      x = apply(layers.separableConv2d({ filters: 6, kernelSize: 3, depthMultiplier: 2, strides: 2 }), x);
      x = apply(layers.batchNormalization({ scale: false, epsilon: 0.01 }), x);
      x = apply(layers.activation({ activation: "relu6" }), x);
      x = apply(layers.globalAveragePooling2d({}), x);
      x = apply(layers.reshape({ targetShape: [1, 1, 6] }), x);
      x = apply(layers.conv2d({ filters: 4, kernelSize: 1 }), x);
      x = apply(layers.reshape({ targetShape: [4] }), x);
      return apply(layers.activation({ activation: "softmax" }), x);
    }),
  branches: () =>
    functional([6, 6, 4], (input) => {
      const shared = layers.conv2d({ filters: 4, kernelSize: 3, padding: "same", dilationRate: 2 });
      const a = apply(shared, input);
      const b = apply(shared, a);
      const sum = apply(layers.add(), [a, b]);
      const scaled = apply(layers.multiply(), [sum, apply(layers.activation({ activation: "sigmoid" }), input)]);
      const joined = apply(layers.concatenate(), [scaled, a]);
      const pooled = apply(layers.averagePooling2d({ poolSize: 3, strides: 2, padding: "same" }), joined);
      return apply(layers.globalMaxPooling2d({}), pooled);
    }),
  squeeze_excite: () =>
    functional([5, 5, 4], (input) => {
      let gate = apply(layers.globalAveragePooling2d({}), input);
      gate = apply(layers.dense({ units: 2, activation: "relu" }), gate);
      gate = apply(layers.dense({ units: 4, activation: "hardSigmoid" }), gate);
      gate = apply(layers.reshape({ targetShape: [1, 1, 4] }), gate);
      return apply(layers.multiply(), [input, gate]);
    }),
  nested: () => {
    const inner = functional([8, 8, 3], (x) => {
      return apply(
        layers.batchNormalization({ center: false }),
        apply(layers.conv2d({ filters: 4, kernelSize: 3 }), x),
      );
    });
    const head = tfl.sequential({ layers: [layers.flatten({ inputShape: [6, 6, 4] }), layers.dense({ units: 3 })] });
    return functional([8, 8, 3], (input) => apply(head, apply(inner, input)));
  },
  shuffle: () =>
    functional([3, 2, 6], (input) => {
      const grouped = apply(layers.reshape({ targetShape: [3, 2, 2, 3] }), input);
      const turned = apply(layers.permute({ dims: [1, 2, 4, 3] }), grouped);
      const shuffled = apply(layers.reshape({ targetShape: [3, 2, 6] }), turned);
      return apply(
        layers.upSampling2d({ size: [2, 2] }),
        apply(layers.conv2d({ filters: 2, kernelSize: 1 }), shuffled),
      );
    }),
};

/** A node of a graph, its constants as numbers. */
type GraphNode = readonly [name: string, op: string, inputs: readonly string[], attributes?: object];
type Constants = Readonly<Record<string, { readonly shape: readonly number[]; readonly int32?: readonly number[] }>>;

interface GraphCase {
  readonly inputShape: readonly number[];
  readonly nodes: readonly GraphNode[];
  /** Without numbers: some that are the same at each run. */
  readonly constants: Constants;
  readonly output: string;
  /** Whether inputs and outputs are named beside the graph. */
  readonly isSigned?: boolean;
}

const text = (value: string): object => ({ s: Buffer.from(value).toString("base64") });
const texts = (...values: readonly string[]): object => ({
  list: { s: values.map((value) => Buffer.from(value).toString("base64")) },
});
const integers = (...values: readonly number[]): object => ({ list: { i: values.map(String) } });
const window = (stride: number, padding: string, dilation = 1): object => ({
  strides: integers(1, stride, stride, 1),
  dilations: integers(1, dilation, dilation, 1),
  padding: text(padding),
  data_format: text("NHWC"),
});
const int32 = (...values: readonly number[]) => ({ shape: [values.length], int32: values });
const scalar = (value: number) => ({ shape: [], int32: [value] });

const graphs: Readonly<Record<string, GraphCase>> = {
  fused: {
    inputShape: [1, 8, 8, 3],
    isSigned: true,
    constants: {
      k: { shape: [3, 3, 3, 4] },
      b: { shape: [4] },
      d: { shape: [3, 3, 4, 1] },
      w: { shape: [4, 5] },
      v: { shape: [5] },
      axes: int32(1, 2),
    },
    nodes: [
      [
        "conv",
        "_FusedConv2D",
        ["x", "k", "b"],
        { ...window(2, "SAME"), fused_ops: texts("BiasAdd", "Relu6"), num_args: { i: "1" } },
      ],
      [
        "dw",
        "FusedDepthwiseConv2dNative",
        ["conv", "d", "b"],
        { ...window(1, "SAME"), fused_ops: texts("BiasAdd", "Relu"), num_args: { i: "1" } },
      ],
      ["mean", "Mean", ["dw", "axes"], { keep_dims: { b: false } }],
      [
        "fc",
        "_FusedMatMul",
        ["mean", "w", "v"],
        { fused_ops: texts("BiasAdd"), num_args: { i: "1" }, transpose_a: { b: false }, transpose_b: { b: false } },
      ],
      ["probabilities", "Softmax", ["fc"]],
    ],
    output: "probabilities",
  },
  plain: {
    inputShape: [1, 7, 9, 4],
    constants: {
      k: { shape: [3, 2, 4, 6] },
      bias: { shape: [6] },
      gamma: { shape: [6] },
      beta: { shape: [6] },
      mean: { shape: [6] },
      variance: { shape: [6] },
      cells: { shape: [4, 2], int32: [0, 0, 1, 0, 2, 1, 0, 0] },
      d: { shape: [3, 3, 6, 2] },
      shape: int32(-1, 24),
      w: { shape: [24, 3] },
    },
    nodes: [
      ["pad", "Pad", ["x", "cells"]],
      ["conv", "Conv2D", ["pad", "k"], window(2, "VALID")],
      ["biased", "BiasAdd", ["conv", "bias"], { data_format: text("NHWC") }],
      [
        "normed",
        "FusedBatchNormV3",
        ["biased", "gamma", "beta", "mean", "variance"],
        { epsilon: { f: 0.01 }, is_training: { b: false }, data_format: text("NHWC") },
      ],
      ["relu", "Relu", ["normed"]],
      ["dw", "DepthwiseConv2dNative", ["relu", "d"], window(1, "SAME", 2)],
      ["pool", "MaxPool", ["dw"], { ...window(2, "SAME"), ksize: integers(1, 3, 3, 1) }],
      ["average", "AvgPool", ["pool"], { ...window(1, "SAME"), ksize: integers(1, 2, 2, 1) }],
      ["one", "MaxPool", ["average"], { ...window(2, "VALID"), ksize: integers(1, 1, 1, 1) }],
      ["flat", "Reshape", ["one", "shape"]],
      ["out", "MatMul", ["flat", "w"], { transpose_a: { b: false }, transpose_b: { b: false } }],
    ],
    output: "out",
  },
  // What Keras's Flatten and ShuffleNet's shuffle become: shapes computed from shapes.
  shapes: {
    inputShape: [1, 4, 3, 6],
    constants: {
      zero: int32(0),
      one: int32(1),
      four: scalar(4),
      three: scalar(3),
      groups: scalar(2),
      each: scalar(3),
      six: scalar(6),
      rest: scalar(-1),
      order: int32(0, 1, 2, 4, 3),
      last: scalar(3),
      w: { shape: [36, 2] },
      begin: int32(0, 0, 0, 0),
      end: int32(0, 0, 0, 3),
      step: int32(1, 1, 1, 1),
      k: { shape: [1, 1, 3, 3] },
    },
    nodes: [
      ["shape", "Shape", ["x"]],
      [
        "batch",
        "StridedSlice",
        ["shape", "zero", "one", "one"],
        {
          shrink_axis_mask: { i: "1" },
          begin_mask: { i: "0" },
          end_mask: { i: "0" },
          ellipsis_mask: { i: "0" },
          new_axis_mask: { i: "0" },
        },
      ],
      ["five", "Pack", ["batch", "four", "three", "groups", "each"], { axis: { i: "0" }, N: { i: "5" } }],
      ["grouped", "Reshape", ["x", "five"]],
      ["turned", "Transpose", ["grouped", "order"]],
      ["back", "Pack", ["batch", "four", "three", "six"], { axis: { i: "0" }, N: { i: "4" } }],
      ["shuffled", "Reshape", ["turned", "back"]],
      ["halves", "Split", ["last", "shuffled"], { num_split: { i: "2" } }],
      ["mixed", "Conv2D", ["halves:1", "k"], window(1, "SAME")],
      ["sum", "AddV2", ["halves", "mixed"]],
      ["joined", "ConcatV2", ["sum", "halves:1", "last"], { N: { i: "2" } }],
      ["flat0", "Pack", ["batch", "rest"], { axis: { i: "0" }, N: { i: "2" } }],
      [
        "part",
        "StridedSlice",
        ["joined", "begin", "end", "step"],
        {
          begin_mask: { i: "15" },
          end_mask: { i: "7" },
          shrink_axis_mask: { i: "0" },
          ellipsis_mask: { i: "0" },
          new_axis_mask: { i: "0" },
        },
      ],
      ["flat", "Reshape", ["part", "flat0"]],
      ["out", "MatMul", ["flat", "w"], { transpose_a: { b: false }, transpose_b: { b: false } }],
    ],
    output: "out",
  },
  // Channels by numbers for each, which lists become again, and in another order.
  gates: {
    inputShape: [1, 5, 5, 4],
    constants: {
      axes: int32(1, 2),
      k: { shape: [1, 1, 4, 4] },
      indices: int32(2, 0, 3, 1),
      last: scalar(3),
      dims: scalar(1),
    },
    nodes: [
      ["mean", "Mean", ["x", "axes"], { keep_dims: { b: true } }],
      ["conv", "Conv2D", ["mean", "k"], window(1, "VALID")],
      ["sigmoid", "Sigmoid", ["conv"]],
      ["scaled", "Mul", ["x", "sigmoid"]],
      ["order", "GatherV2", ["scaled", "indices", "last"], { batch_dims: { i: "0" } }],
      ["top", "MaxPool", ["order"], { ...window(1, "VALID"), ksize: integers(1, 5, 5, 1) }],
      ["squeezed", "Squeeze", ["top"], { squeeze_dims: integers(1, 2) }],
      ["wide", "ExpandDims", ["squeezed", "dims"]],
      ["high", "ExpandDims", ["wide", "dims"]],
      ["again", "Mul", ["high", "order"]],
      ["out", "Relu", ["again"]],
    ],
    output: "out",
  },
};

async function graphGolden({ inputShape, nodes, constants, output, isSigned }: GraphCase): Promise<Golden> {
  const dims = { shape: { dim: inputShape.map((length, axis) => ({ size: axis === 0 ? "-1" : String(length) })) } };
  const buffers = Object.entries(constants).map(([name, { shape, int32: values }], i) => {
    const count = shape.reduce((product, length) => product * length, 1);
    const floats = numbers(count, i + 1).map((value) => (name === "variance" ? Math.abs(value) + 0.5 : value));
    return Buffer.from((values === undefined ? Float32Array.from(floats) : Int32Array.from(values)).buffer);
  });
  const manifest = Object.entries(constants).map(([name, { shape, int32: values }]) => {
    return { name, shape, dtype: values === undefined ? ("float32" as const) : ("int32" as const) };
  });
  const modelJson = {
    format: "graph-model",
    ...(isSigned
      ? { signature: { inputs: { x: { name: "x:0" } }, outputs: { scores: { name: `${output}:0` } } } }
      : {}),
    modelTopology: {
      versions: { producer: 440, minConsumer: 12 },
      node: [
        { name: "x", op: "Placeholder", attr: { dtype: { type: "DT_FLOAT" }, shape: dims } },
        ...manifest.map(({ name, dtype }) => ({
          name,
          op: "Const",
          attr: { dtype: { type: dtype === "int32" ? "DT_INT32" : "DT_FLOAT" } },
        })),
        ...nodes.map(([name, op, input, attr = {}]) => ({ name, op, input, attr })),
      ],
    },
    weightsManifest: [{ paths: ["weights.bin"], weights: manifest }],
  };
  const data = Buffer.concat(buffers);
  const model: GraphModel = await loadGraphModel({
    load: async () => ({
      modelTopology: modelJson.modelTopology,
      weightSpecs: manifest as unknown as tf.io.WeightsManifestEntry[],
      weightData: Uint8Array.from(data).buffer,
    }),
  });
  const count = inputShape.reduce((product, length) => product * length, 1);
  const result = model.execute({ x: tf.tensor(numbers(count, 5), [...inputShape]) }, output) as tf.Tensor;
  return { modelJson, weights: data.toString("base64"), inputShape, output: rounded(result) };
}

function base64(bytes: ArrayBuffer): string {
  return Buffer.from(bytes).toString("base64");
}

function rounded(tensor: tf.Tensor): readonly number[] {
  return Array.from(tensor.dataSync(), (value) => Number(value.toPrecision(8)));
}

await tf.setBackend("cpu");
const goldens: [string, Golden][] = [];
for (const [name, make] of Object.entries(layersModels)) goldens.push([`layers: ${name}`, await layersGolden(make())]);
for (const [name, graph] of Object.entries(graphs)) goldens.push([`graph: ${name}`, await graphGolden(graph)]);
const target = new URL("../../packages/formats/src/testing/tfjs.golden.json", import.meta.url);
const lines = goldens.map(([name, golden]) => `  ${JSON.stringify(name)}: ${JSON.stringify(golden)}`);
writeFileSync(target, `{\n${lines.join(",\n")}\n}\n`);
