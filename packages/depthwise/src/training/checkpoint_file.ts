import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  type Checkpoint,
  type EpochProgress,
  type EpochRecord,
  FormatError,
  formatShape,
  type KeptHistory,
  type Network,
  nodesOf,
  OptionError,
  readSafetensors,
  sameShape,
  type Tensor,
  tensor,
  toFloat32,
  writeSafetensors,
} from "@depthwise/core";
import { identityParts, type RunIdentity } from "./run_identity.ts";

const parts = ["weights", "average", "first", "second"] as const;
type Part = (typeof parts)[number];
/** Before the names of a picture history's arrays, which have a number a picture. */
const historyPrefix = "history:";

/** A checkpoint as one file: every array of the training state, and who it belongs to. */
export function writeCheckpoint(checkpoint: Checkpoint, identity: RunIdentity): Uint8Array<ArrayBuffer> {
  const { state, history, ...about } = checkpoint;
  const tensors = new Map<string, Tensor>();
  for (const part of parts) {
    for (const [name, tensor] of state[part]) tensors.set(`${part}:${name}`, tensor);
  }
  if (history) {
    const { before, losses } = history;
    // Counts below 2^24 are float32 numbers.
    const arrays = { seen: Float32Array.from(before.seen), "losses before": before.losses, losses };
    for (const [name, data] of Object.entries(arrays)) tensors.set(historyPrefix + name, tensor([data.length], data));
  }
  return writeSafetensors(tensors, {
    checkpoint: JSON.stringify({ version: 1, steps: state.steps, ...about }),
    run: JSON.stringify(identity),
  });
}

/**
 * Puts a checkpoint in its file at once, without waiting: what a signal leaves time for. The file is whole or as it was.
 *
 * @throws what the system says
 */
export function saveCheckpointNow(path: string, bytes: Uint8Array): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.last.part`);
  try {
    const file = openSync(temporary, "w");
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * The checkpoint in a file.
 *
 * @throws {FormatError} if it is none, or its arrays are not those of the network
 * @throws {OptionError} if it belongs to another run
 */
export function readCheckpoint(bytes: Uint8Array, network: Network, identity: RunIdentity, file: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes, { file });
  const about = parseAbout(metadata.checkpoint, file);
  checkSameRun(parseRecord(metadata.run, file), identity, file);
  const state: Record<Part, Map<string, Tensor>> = {
    weights: new Map(),
    average: new Map(),
    first: new Map(),
    second: new Map(),
  };
  const history = readHistory(tensors, identity, file);
  for (const [key, tensor] of tensors) {
    if (history && key.startsWith(historyPrefix)) continue;
    const colon = key.indexOf(":");
    const part = parts.find((name) => name === key.slice(0, colon));
    if (part === undefined) throw new FormatError(`${file}: "${key}" belongs to no part of a checkpoint.`, { file });
    state[part].set(key.slice(colon + 1), { dtype: "f32", shape: tensor.shape, data: toFloat32(tensor) });
  }
  for (const part of parts) checkArrays(part, state[part], network, file);
  const { steps, records, bestEpoch, begun, seconds } = about;
  return { state: { ...state, steps }, records, bestEpoch, begun, seconds, ...(history && { history }) };
}

/** What the run knows of each picture, if its recipe asks for that. */
function readHistory(
  tensors: ReadonlyMap<string, Tensor>,
  { recipe, pictures }: RunIdentity,
  file: string,
): KeptHistory | undefined {
  if (!recipe.skipEasy) return undefined;
  const read = (name: string): Float32Array => {
    const tensor = tensors.get(historyPrefix + name);
    if (tensor?.shape.length === 1 && tensor.shape[0] === pictures.train) return toFloat32(tensor);
    const found = tensor ? `received ${formatShape(tensor.shape)}` : "it is missing";
    throw new FormatError(`${file}: "${name}" of the pictures: expected ${pictures.train} numbers, ${found}.`, {
      file,
    });
  };
  const seen = Uint32Array.from(read("seen"));
  return { before: { seen, losses: read("losses before") }, losses: read("losses") };
}

/** Refuses to go on with another run. */
export function checkSameRun(theirs: Readonly<Record<string, unknown>>, ours: RunIdentity, file: string): void {
  for (const part of identityParts) {
    const [before, now] = [JSON.stringify(theirs[part]), JSON.stringify(ours[part])];
    if (before === now) continue;
    throw new OptionError(`--resume: ${file} was made with ${part} ${before}, but this run has ${now}.`, {
      file,
      hint: "Give the same data and options, or leave --resume away to begin anew.",
    });
  }
}

interface About {
  readonly steps: number;
  readonly records: readonly EpochRecord[];
  readonly bestEpoch: number;
  readonly begun: EpochProgress;
  readonly seconds: number;
}

function parseAbout(text: string | undefined, file: string): About {
  const about = parseRecord(text, file);
  if (about.version !== 1) throw new FormatError(`${file}: no checkpoint of this release.`, { file });
  const { steps, records, bestEpoch, begun, seconds } = about as Partial<Record<keyof About, unknown>>;
  const isSound =
    isCount(steps) &&
    typeof seconds === "number" &&
    Array.isArray(records) &&
    records.every((record, i) => isRecord(record) && record.epoch === i + 1) &&
    isCount(bestEpoch) &&
    bestEpoch <= records.length &&
    isRecord(begun) &&
    isCount(begun.steps) &&
    typeof begun.loss === "number" &&
    isCount(begun.correct);
  if (!isSound) throw new FormatError(`${file}: what it says of the run's course is damaged.`, { file });
  return about as unknown as About;
}

function checkArrays(part: Part, found: ReadonlyMap<string, Tensor>, { graph }: Network, file: string): void {
  const shapes = new Map(nodesOf(graph, "parameter").map(({ name, shape }) => [name, shape]));
  for (const [name, { shape }] of found) {
    const expected = shapes.get(name);
    if (expected && sameShape(expected, shape)) continue;
    const wanted = expected ? formatShape(expected) : "no such array";
    throw new FormatError(`${file}: ${part} of "${name}": expected ${wanted}, received ${formatShape(shape)}.`, {
      file,
    });
  }
  // The moments are of trained parameters alone.
  if (part === "first" || part === "second") return;
  const missing = [...shapes.keys()].find((name) => !found.has(name));
  if (missing !== undefined) throw new FormatError(`${file}: ${part} of "${missing}" is missing.`, { file });
}

function parseRecord(text: string | undefined, file: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch (cause) {
    throw new FormatError(`${file}: no checkpoint of a training run.`, { file, cause });
  }
  if (!isRecord(value)) throw new FormatError(`${file}: no checkpoint of a training run.`, { file });
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
