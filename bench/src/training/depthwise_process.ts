/** Trains one network in Depthwise, a question a line on stdin, an answer a line on stdout. Started by training_peer.ts. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { compileTraining, loadTraining, type Tensor, type TrainingInstance, tensor } from "@depthwise/core";
import { graphFromJson } from "../../../packages/core/src/graph/json.ts";
import type { TrainingAnswers, TrainingQuestion, TrainingTask } from "./training_peer.ts";

const wide = process.argv[2] === "wide";
const smoothing = 0.1;

function readTensors({ tensors, entries }: TrainingTask): Map<string, Tensor<"f32">> {
  const bytes = readFileSync(tensors);
  let at = bytes.byteOffset;
  return new Map(
    entries.map(([name, shape]) => {
      const count = shape.reduce((product, length) => product * length, 1);
      const data = new Float32Array(bytes.buffer.slice(at, at + 4 * count) as ArrayBuffer);
      at += data.byteLength;
      return [name, tensor(shape, data)];
    }),
  );
}

async function load(task: TrainingTask): Promise<() => number> {
  const weights = readTensors(task);
  const graph = graphFromJson(JSON.parse(readFileSync(task.graph, "utf8")));
  const { batch, microBatch, threads } = task;
  const compiled = compileTraining({ name: graph.name, graph }, { batch, microBatch, threads, wide });
  const instance = await loadTraining(compiled, weights, { threads });
  fill(instance, weights, task);
  const settings = { groups: { all: { rate: task.rate, decay: task.decay } } };
  return () => instance.step(settings).loss;
}

function fill(instance: TrainingInstance, tensors: ReadonlyMap<string, Tensor<"f32">>, task: TrainingTask): void {
  const [pictures, classes] = [tensors.get("pictures"), tensors.get("classes")].map((each) => each?.data ?? []);
  const { batch, microBatch } = task;
  for (let slot = 0; slot < batch / microBatch; slot++) {
    const input = instance.input("input", slot);
    input.set(Float32Array.from(pictures ?? []).subarray(slot * input.length, (slot + 1) * input.length));
    const targets = instance.input("targets", slot);
    const count = targets.length / microBatch;
    targets.fill(smoothing / count);
    for (let i = 0; i < microBatch; i++) {
      const at = i * count + (classes?.[slot * microBatch + i] ?? 0);
      targets[at] = (targets[at] as number) + 1 - smoothing;
    }
  }
}

let step: (() => number) | undefined;

async function answer(question: TrainingQuestion): Promise<TrainingAnswers[TrainingQuestion["ask"]]> {
  if (question.ask === "load") {
    step = await load(question);
    return { version: process.version, losses: [step(), step()] };
  }
  const milliseconds = Array.from({ length: question.count }, () => {
    const start = performance.now();
    step?.();
    return performance.now() - start;
  });
  return { milliseconds };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
