/**
 * `npm run round-trips`: .pth -> ours -> safetensors -> PyTorch, for every family, where there is a PyTorch. Ours writes a state dict under the
 * names of the family's releases; PyTorch reads it and saves it in both of its formats; we read those and write safetensors; PyTorch runs the
 * network with them. Ends with 1 if an output differs from the interpreter's by more than 1e-5 of the largest.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  build,
  exchangeTensors,
  interpret,
  type Network,
  readWeights,
  type Tensor,
  type Weights,
  writeSafetensors,
  writeWeights,
} from "@depthwise/core";
import { families } from "@depthwise/core/networks";
import { readModel, writePytorch } from "@depthwise/formats";
import { graphToJson } from "../../../packages/core/src/graph/json.ts";
import { seededRandom } from "../../../packages/core/src/random.ts";
import { expectedTensors } from "../../../packages/core/src/safetensors/match_names.ts";
import { initializeForTraining } from "../../../packages/core/src/train/initialize_for_training.ts";
import { compareOutputs } from "../compare.ts";
import { python, whyNoPytorch } from "../training/training_peer.ts";

const tolerance = 1e-5;
const script = fileURLToPath(new URL("torch_round_trip.py", import.meta.url));

/** Weights with statistics and biases of their own: a tensor that is lost or swapped shows. */
function variedWeights(network: Network): Weights {
  const random = seededRandom(1, network.name);
  const varied = new Map<string, Tensor>();
  for (const [name, tensor] of initializeForTraining(network.graph, 0)) {
    const data = Float32Array.from(tensor.data as Float32Array, (value) =>
      /\/(mean|beta|bias)$/.test(name) ? value + 0.1 * random.normal() : value * (1 + 0.2 * random.uniform()),
    );
    varied.set(name, { dtype: "f32", shape: tensor.shape, data });
  }
  return varied;
}

async function roundTrip(family: string, folder: string): Promise<readonly number[]> {
  const network = build(`${family}_cifar`);
  const weights = variedWeights(network);
  const naming = network.namings[0]?.name ?? "depthwise";
  const file = (name: string): string => join(folder, `${family}.${name}`);
  writeFileSync(file("ours.pth"), writePytorch(exchangeTensors(weights, network, { naming })));
  execFileSync(python, [script, "resave", file("ours.pth"), file("zip.pth"), file("legacy.pth")]);

  const random = seededRandom(2, family);
  const input = Float32Array.from({ length: 32 * 32 * 3 }, () => random.normal());
  writeFileSync(file("input"), input);
  const expected = interpret(network.graph, weights, { input }).outputs.output?.data as Float32Array;
  const differences: number[] = [];
  for (const source of ["zip.pth", "legacy.pth"]) {
    const { tensors } = await readModel(readFileSync(file(source)), { file: source });
    const read = readWeights(writeSafetensors(tensors), network, { naming });
    writeFileSync(file("safetensors"), writeWeights(read, network, { naming }));
    const task = {
      graph: graphToJson(network.graph),
      weights: file("safetensors"),
      names: expectedTensors(network, naming).map(({ ourParameter, theirName }) => [ourParameter, theirName]),
      input: file("input"),
      shape: [1, 32, 32, 3],
    };
    writeFileSync(file("task.json"), JSON.stringify(task));
    execFileSync(python, [script, "run", file("task.json"), file("output")]);
    const bytes = readFileSync(file("output"));
    const output = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    differences.push(compareOutputs(expected, output));
  }
  return differences;
}

const missing = whyNoPytorch();
if (missing) {
  process.stderr.write(`No round trips: ${missing} DEPTHWISE_PYTHON names another interpreter.\n`);
} else {
  const folder = mkdtempSync(join(tmpdir(), "depthwise-round-trips-"));
  try {
    for (const family of Object.keys(families)) {
      const differences = await roundTrip(family, folder);
      const isWithin = differences.every((difference) => difference <= tolerance);
      if (!isWithin) process.exitCode = 1;
      const words = differences.map((difference) => difference.toExponential(1)).join(", ");
      process.stdout.write(`${family}: ${words}${isWithin ? "" : ` - more than ${tolerance}`}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
