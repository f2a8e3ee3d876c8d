import { parseArgs } from "node:util";
import { count, UsageError } from "../options.ts";
import type { TrainingCase } from "./measure_training.ts";

const small = { smallStem: true, resolution: 32, classes: 10 };

/** What is trained, for pictures of 32x32. Without dropout, which both sides would draw differently. */
const cases: readonly TrainingCase[] = [
  { label: "MobileNet V2 1.0", model: "mobilenet_v2", options: { ...small, dropout: 0 } },
  { label: "MobileNet V2 0.5", model: "mobilenet_v2", options: { ...small, dropout: 0, width: 0.5 } },
  { label: "ShuffleNet V2 1.0", model: "shufflenet_v2", options: small },
  { label: "IGCV3-D", model: "igcv3_d_cifar" },
  { label: "mobilenet_v2_cifar", model: "mobilenet_v2_cifar", options: { dropout: 0 } },
];

/** Printed by `--help`. */
export const trainingHelp = `Measures training steps beside PyTorch's, in turns, on this machine.

  npm run training -- [options]

Options:
  --batch B     pictures of a step (default 64)
  --threads T   threads of each (default 1)
  --rounds R    turns of each (default 9)
  --only TEXT   networks whose name holds it: ${cases.map(({ label }) => label).join(", ")}
  --json FILE   write every sample there too
  --help        this text

DEPTHWISE_PYTHON names a Python that has PyTorch; without one, only ours is measured.
`;

/** A command line of `npm run training`. */
export interface TrainingBenchOptions {
  readonly cases: readonly TrainingCase[];
  readonly batch: number;
  readonly threads: number;
  readonly rounds: number;
  readonly json: string | undefined;
}

/**
 * The options of a command line, or undefined where help is asked for.
 *
 * @throws {UsageError} that names what is wrong
 */
export function parseTrainingOptions(args: readonly string[]): TrainingBenchOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const { only = "" } = values;
  const chosen = cases.filter(({ label }) => label.includes(only));
  if (chosen.length === 0) {
    const names = cases.map(({ label }) => label).join(", ");
    throw new UsageError(`--only "${only}" is part of no network's name: ${names}.`);
  }
  return {
    cases: chosen,
    batch: count("--batch", values.batch),
    threads: count("--threads", values.threads),
    rounds: count("--rounds", values.rounds),
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        batch: { type: "string", default: "64" },
        threads: { type: "string", default: "1" },
        rounds: { type: "string", default: "9" },
        only: { type: "string" },
        json: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
