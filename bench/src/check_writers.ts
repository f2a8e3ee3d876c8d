/**
 * Runs random small graphs through the file writers and the runtimes that read the files, against the plain interpreter: `npm run check`,
 * or `npm run check -- FROM TO` for other seeds.
 */
import { type Graph, interpret, nodesOf, type Shape, type Tensor, type Weights } from "@depthwise/core";
import { writeOnnx, writeTfjs, writeTflite } from "@depthwise/formats";
import type { Tensor as LitertTensor } from "@litertjs/core";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import * as ort from "onnxruntime-node";
import { printGraph } from "../../packages/core/src/graph/print.ts";
import { type RandomGraph, randomGraph } from "../../packages/core/src/testing/random_graph.ts";
import { compareOutputs } from "./compare.ts";
import { loadLitert } from "./peers/load_litert.ts";

/** Graphs of some ten nodes: what floats lose in them, exponentials included. */
const TOLERANCE = 1e-4;

type Inputs = RandomGraph["inputs"];
type Outputs = Readonly<Record<string, Float32Array>>;
/** Writes a file, runs it, and gives the outputs in our layout. */
type Runner = (graph: Graph, weights: Weights, inputs: Inputs) => Promise<Outputs>;

const runOnnx: Runner = async (graph, weights, inputs) => {
  const options = { intraOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const session = await ort.InferenceSession.create(writeOnnx(graph, weights), options);
  const feeds = nodesOf(graph, "input").map(({ name, shape }): [string, ort.Tensor] => {
    const { data, dims } = moveChannels(inputs[name] as Float32Array, shape, [0, 3, 1, 2]);
    return [name, new ort.Tensor("float32", data, dims)];
  });
  const results = await session.run(Object.fromEntries(feeds));
  const outputs = graph.outputs.map(({ name }): [string, Float32Array] => {
    const { data, dims } = results[name] as ort.Tensor;
    return [name, moveChannels(data as Float32Array, dims, [0, 2, 3, 1]).data];
  });
  await session.release();
  return Object.fromEntries(outputs);
};

const runTflite: Runner = async (graph, weights, inputs) => {
  const { loadAndCompile, Tensor } = await loadLitert(1);
  const model = await loadAndCompile(writeTflite(graph, weights), {
    accelerator: "wasm",
    cpuOptions: { numThreads: 1 },
  });
  const tensors = nodesOf(graph, "input").map(
    ({ name, shape }) => new Tensor(Float32Array.from(inputs[name] as Float32Array), [...shape]),
  );
  const results: LitertTensor[] = await model.run(tensors);
  const outputs = graph.outputs.map(({ name }, i): [string, Float32Array] => {
    return [name, results[i]?.toTypedArray() as Float32Array];
  });
  for (const tensor of [...tensors, ...results]) tensor.delete();
  model.delete();
  return Object.fromEntries(outputs);
};

const runTfjs: Runner = async (graph, weights, inputs) => {
  const files = writeTfjs(graph, weights);
  const { modelTopology, signature, weightsManifest } = JSON.parse(new TextDecoder().decode(files.modelJson));
  const model = await loadGraphModel({
    load: async () => ({
      modelTopology,
      signature,
      weightSpecs: weightsManifest[0].weights,
      weightData: files.weights.buffer,
    }),
  });
  const feeds = nodesOf(graph, "input").map(({ name, shape }): [string, tf.Tensor] => {
    return [signature.inputs[name].name, tf.tensor(inputs[name] as Float32Array, [...shape])];
  });
  const names = graph.outputs.map(({ name }): string => signature.outputs[name].name);
  const results = model.execute(Object.fromEntries(feeds), names) as tf.Tensor | tf.Tensor[];
  const tensors = Array.isArray(results) ? results : [results];
  const outputs = graph.outputs.map(({ name }, i): [string, Float32Array] => {
    return [name, tensors[i]?.dataSync() as Float32Array];
  });
  tf.dispose([tensors, feeds.map(([, tensor]) => tensor)]);
  model.dispose();
  return Object.fromEntries(outputs);
};

/** A picture's axes in another order; anything else as it is. */
function moveChannels(
  data: Float32Array,
  shape: Shape,
  axes: readonly number[],
): { data: Float32Array; dims: number[] } {
  if (shape.length !== 4) return { data, dims: [...shape] };
  const dims = axes.map((axis) => shape[axis] as number);
  const strides = axes.map((axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
  const moved = Float32Array.from(data, (_, to) => {
    let rest = to;
    let from = 0;
    for (let axis = 3; axis >= 0; axis--) {
      from += (rest % (dims[axis] as number)) * (strides[axis] as number);
      rest = Math.floor(rest / (dims[axis] as number));
    }
    return data[from] as number;
  });
  return { data: moved, dims };
}

async function check(format: string, run: Runner, from: number, to: number): Promise<number> {
  let failures = 0;
  for (let seed = from; seed < to; seed++) {
    const { graph, weights, inputs } = randomGraph(seed);
    const problem = await problemOf(run, graph, weights, inputs, interpret(graph, weights, inputs).outputs);
    if (problem === undefined) continue;
    failures++;
    process.stdout.write(`${format}, seed ${seed}: ${problem}\n${printGraph(graph)}\n`);
  }
  process.stdout.write(
    `${format}: ${to - from - failures} of ${to - from} random graphs agree with the interpreter.\n`,
  );
  return failures;
}

async function problemOf(
  run: Runner,
  graph: Graph,
  weights: Weights,
  inputs: Inputs,
  expected: Readonly<Record<string, Tensor>>,
): Promise<string | undefined> {
  try {
    const outputs = await run(graph, weights, inputs);
    for (const [name, { data }] of Object.entries(expected)) {
      const difference = compareOutputs(data as Float32Array, outputs[name] as Float32Array);
      if (!(difference <= TOLERANCE)) return `output "${name}" differs by ${difference} of the largest value`;
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const [from = 0, to = 200] = process.argv.slice(2).map(Number);
await tf.setBackend("cpu");
const failures =
  (await check("ONNX", runOnnx, from, to)) +
  (await check("TFLite", runTflite, from, to)) +
  (await check("TensorFlow.js", runTfjs, from, to));
process.exit(failures > 0 ? 1 : 0);
