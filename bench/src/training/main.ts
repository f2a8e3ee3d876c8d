/** `npm run training`: images a second in training, beside PyTorch on the same cores. */
import { writeFileSync } from "node:fs";
import { environment } from "../environment.ts";
import { UsageError } from "../options.ts";
import { measureTraining, type TrainingResult } from "./measure_training.ts";
import { reportTraining } from "./report_training.ts";
import { kernelsThatTfjsLacks } from "./tfjs_gradient.ts";
import { parseTrainingOptions, trainingHelp } from "./training_options.ts";
import { type TrainerName, whyNoPytorch } from "./training_peer.ts";

async function main(args: readonly string[]): Promise<void> {
  const options = parseTrainingOptions(args);
  if (options === undefined) {
    process.stdout.write(trainingHelp);
    return;
  }
  const { cases, batch, threads, rounds, json } = options;
  const missing = whyNoPytorch();
  if (missing) process.stderr.write(`Without PyTorch: ${missing} DEPTHWISE_PYTHON names another interpreter.\n`);
  const trainers: TrainerName[] = ["depthwise", "depthwise-wide", ...(missing ? [] : (["pytorch"] as const))];
  const onProgress = (text: string) => process.stderr.write(`${text}\n`);
  const results: TrainingResult[] = [];
  for (const subject of cases) {
    const result = await measureTraining(subject, { trainers, batch, threads, rounds, onProgress });
    results.push(result);
    process.stdout.write(`${reportTraining(result)}\n\n`);
  }
  const lacking = await kernelsThatTfjsLacks();
  process.stdout.write(
    lacking.length === 0
      ? "TensorFlow.js has the gradients of convolutions on its WebAssembly backend now: measure it too.\n"
      : `TensorFlow.js cannot train convolutions on its WebAssembly backend: it lacks ${lacking.join(" and ")}.\n`,
  );
  if (json) writeFileSync(json, JSON.stringify({ environment: environment(args), results }));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof UsageError ? error.message : (error as Error).stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
