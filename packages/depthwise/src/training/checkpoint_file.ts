import {
  type Checkpoint,
  type EpochRecord,
  FormatError,
  OptionError,
  type Recipe,
  readSafetensors,
  type Tensor,
  toFloat32,
  type Weights,
  writeSafetensors,
} from "@depthwise/core";

/** What a run is, besides its recipe: a checkpoint goes on only with the same. */
export interface RunIdentity {
  readonly network: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly data: string;
  readonly labels: readonly string[];
  readonly recipe: Recipe;
}

const parts = ["weights", "average", "first", "second"] as const;

/** A checkpoint as one file: every array of the training state, and who it belongs to. */
export function writeCheckpoint(checkpoint: Checkpoint, identity: RunIdentity): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, Tensor>();
  for (const part of parts) {
    for (const [name, tensor] of checkpoint.state[part]) tensors.set(`${part}:${name}`, tensor);
  }
  const { records, bestEpoch, state } = checkpoint;
  return writeSafetensors(tensors, {
    checkpoint: JSON.stringify({ version: 1, records, bestEpoch, steps: state.steps }),
    run: JSON.stringify(identity),
  });
}

/**
 * The checkpoint in a file.
 *
 * @throws {FormatError} if it is none
 * @throws {OptionError} if it belongs to another run
 */
export function readCheckpoint(bytes: Uint8Array, identity: RunIdentity, file: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes, { file });
  const [about, run] = [parse(metadata.checkpoint, file), parse(metadata.run, file)] as [
    { version: number; records: EpochRecord[]; bestEpoch: number; steps: number },
    RunIdentity,
  ];
  if (about?.version !== 1) throw new FormatError(`${file}: no checkpoint of this release.`, { file });
  for (const key of ["network", "options", "data", "labels", "recipe"] as const) {
    const [theirs, ours] = [JSON.stringify(run[key]), JSON.stringify(identity[key])];
    if (theirs === ours) continue;
    throw new OptionError(`--resume: the checkpoint was made with ${key} ${theirs}, but this run has ${ours}.`, {
      file,
      hint: "Give the same options, or leave --resume away to begin anew.",
    });
  }
  const state = Object.fromEntries(parts.map((part) => [part, new Map<string, Tensor>()])) as Record<
    (typeof parts)[number],
    Map<string, Tensor>
  >;
  for (const [key, tensor] of tensors) {
    const colon = key.indexOf(":");
    const part = state[key.slice(0, colon) as (typeof parts)[number]];
    if (part === undefined) throw new FormatError(`${file}: "${key}" belongs to no part of a checkpoint.`, { file });
    part.set(key.slice(colon + 1), { dtype: "f32", shape: tensor.shape, data: toFloat32(tensor) });
  }
  return {
    state: { ...(state as Record<(typeof parts)[number], Weights>), steps: about.steps },
    records: about.records,
    bestEpoch: about.bestEpoch,
  };
}

function parse(text: string | undefined, file: string): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch (cause) {
    throw new FormatError(`${file}: no checkpoint of a training run.`, { file, cause });
  }
}
