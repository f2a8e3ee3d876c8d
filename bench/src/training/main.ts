/** `npm run training`: images a second in training, beside PyTorch on the same cores. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { environment } from "../environment.ts";
import { measureTraining, type TrainingCase, type TrainingResult } from "./measure_training.ts";
import { reportTraining } from "./report_training.ts";
import { kernelsThatTfjsLacks } from "./tfjs_gradient.ts";
import { type TrainerName, whyNoPytorch } from "./training_peer.ts";

const small = { smallStem: true, resolution: 32, classes: 10 };
const cases: readonly TrainingCase[] = [
  // Without dropout, which both sides would draw differently.
  { label: "MobileNet V2 1.0", model: "mobilenet_v2", options: { ...small, dropout: 0 } },
  { label: "MobileNet V2 0.5", model: "mobilenet_v2", options: { ...small, dropout: 0, width: 0.5 } },
  { label: "ShuffleNet V2 1.0", model: "shufflenet_v2", options: small },
  { label: "IGCV3-D", model: "igcv3_d_cifar" },
  { label: "mobilenet_v2_cifar", model: "mobilenet_v2_cifar" },
];

const { values } = parseArgs({
  options: {
    batch: { type: "string", default: "64" },
    threads: { type: "string", default: "1" },
    rounds: { type: "string", default: "9" },
    only: { type: "string" },
    json: { type: "string" },
  },
});

const missing = whyNoPytorch();
if (missing) process.stderr.write(`Without PyTorch: ${missing} DEPTHWISE_PYTHON names another interpreter.\n`);
const trainers: TrainerName[] = ["depthwise", "depthwise-wide", ...(missing ? [] : (["pytorch"] as const))];
const results: TrainingResult[] = [];
for (const subject of cases.filter(({ label }) => values.only === undefined || label.includes(values.only))) {
  const result = await measureTraining(subject, {
    trainers,
    batch: Number(values.batch),
    threads: Number(values.threads),
    rounds: Number(values.rounds),
    onProgress: (text) => process.stderr.write(`${text}\n`),
  });
  results.push(result);
  process.stdout.write(`${reportTraining(result)}\n\n`);
}
const lacking = await kernelsThatTfjsLacks();
process.stdout.write(
  lacking.length === 0
    ? "TensorFlow.js has the gradients of convolutions on its WebAssembly backend now: measure it too.\n"
    : `TensorFlow.js cannot train convolutions on its WebAssembly backend: it lacks ${lacking.join(" and ")}.\n`,
);
if (values.json) {
  writeFileSync(values.json, JSON.stringify({ environment: environment(process.argv.slice(2)), results }));
}
