import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A network to train: files that both sides read. */
export interface TrainingTask {
  /** The graph as JSON. */
  readonly graph: string;
  /** Float32 numbers: {@link entries} one after the other. */
  readonly tensors: string;
  /** Name and shape of the parameters, then `pictures` `[N, H, W, C]` and `classes` `[N]`. */
  readonly entries: readonly (readonly [name: string, shape: readonly number[]])[];
  readonly batch: number;
  readonly microBatch: number;
  readonly rate: number;
  readonly decay: number;
  readonly threads: number;
}

/** What a training process is asked, a JSON line each. */
export type TrainingQuestion =
  | ({ readonly ask: "load" } & TrainingTask)
  /** Train so many steps. */
  | { readonly ask: "steps"; readonly count: number };

/** What it answers, by question. */
export interface TrainingAnswers {
  /** Losses of the first two steps. */
  readonly load: { readonly version: string; readonly losses: readonly number[] };
  readonly steps: { readonly milliseconds: readonly number[] };
}

/** Who trains. */
export type TrainerName = "depthwise" | "depthwise-wide" | "pytorch";

/** A trainer in a process of its own. */
export interface Trainer extends Disposable {
  readonly name: TrainerName;
  ask<Q extends TrainingQuestion>(question: Q): Promise<TrainingAnswers[Q["ask"]]>;
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
/** The interpreter that PyTorch is looked for in. */
export const python = process.env.DEPTHWISE_PYTHON ?? "python3";
const node = ["--conditions=@depthwise/source", "--no-warnings"];

const commands: Readonly<Record<TrainerName, readonly [command: string, args: readonly string[]]>> = {
  depthwise: [process.execPath, [...node, here("depthwise_process.ts")]],
  "depthwise-wide": [
    process.execPath,
    [...node, "--experimental-wasm-revectorize", here("depthwise_process.ts"), "wide"],
  ],
  pytorch: [python, [here("torch_peer.py")]],
};

/** Why PyTorch cannot be measured here; undefined if it can. */
export function whyNoPytorch(): string | undefined {
  const { status, error, stderr } = spawnSync(python, ["-c", "import torch, numpy"], { encoding: "utf8" });
  if (error) return `${python} is not there (${error.message}).`;
  return status === 0 ? undefined : `${python} has no PyTorch: ${stderr.trim().split("\n").at(-1)}`;
}

/** Starts a trainer. Disposal ends it. */
export function startTrainer(name: TrainerName): Trainer {
  const [command, args] = commands[name];
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (text: Buffer) => {
    errors = (errors + text.toString()).slice(-4000);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exit = once(child, "exit");
  return {
    name,
    async ask(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const line = await lines.next();
      if (line.done) throw new Error(`${name}: its process ended with ${await codeOf(child, exit)}.\n${errors}`);
      return JSON.parse(line.value);
    },
    [Symbol.dispose]() {
      child.kill("SIGKILL");
    },
  };
}

async function codeOf(child: ChildProcess, exit: Promise<unknown>): Promise<string> {
  await exit;
  return String(child.exitCode ?? child.signalCode);
}
