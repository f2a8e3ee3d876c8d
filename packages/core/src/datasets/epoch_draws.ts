import { type Random, seededRandom } from "../random.ts";
import { countClasses, type LabeledSet } from "./pictures_in_memory.ts";

/** The pictures of one epoch, in order. */
export interface EpochDraws {
  /** Index of each picture in its set. */
  readonly indices: Uint32Array;
  /** How often the epoch drew the same picture before, for each of them. */
  readonly repeats: Uint32Array;
}

/**
 * Which classes training sees how often: each picture once an epoch; or (`sample`) each class equally often, pictures of
 * small classes several times and those of large ones not in every epoch.
 */
export type Balance = "none" | "sample";

/** Settings of {@link drawEpoch}. */
export interface EpochSettings {
  readonly seed: number;
  readonly epoch: number;
  /** Pictures a batch. */
  readonly batch: number;
  readonly balance: Balance;
}

/** Batches in an epoch of training: full ones only, but at least one. */
export function trainingBatches(length: number, batch: number): number {
  return length === 0 ? 0 : Math.max(1, Math.floor(length / batch));
}

/**
 * Shuffles an epoch of training: `batch` times {@link trainingBatches} pictures. Those that fill no batch are left out, others in
 * every epoch; a set that does not fill one is gone through again.
 *
 * @returns the same for the same set and settings, whatever was drawn before
 */
export function drawEpoch(set: LabeledSet, { seed, epoch, batch, balance }: EpochSettings): EpochDraws {
  const random = seededRandom(seed, `order/${epoch}`);
  const once = balance === "sample" ? drawBalanced(set, random) : upTo(set.length);
  shuffle(once, random);
  const count = trainingBatches(set.length, batch) * batch;
  const indices = Uint32Array.from({ length: count }, (_, i) => once[i % once.length]!);
  return { indices, repeats: countRepeats(indices, set.length) };
}

/** Every picture once, in order, for evaluation. */
export function drawInOrder(set: LabeledSet): EpochDraws {
  return { indices: upTo(set.length), repeats: new Uint32Array(set.length) };
}

function upTo(length: number): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => i);
}

/** Shuffles in place, by Fisher and Yates. */
export function shuffle(values: Uint32Array, random: Random): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const value = values[i]!;
    values[i] = values[j]!;
    values[j] = value;
  }
}

/** As many pictures as the set has, each class that has any as often as the others, up to one. */
function drawBalanced(set: LabeledSet, random: Random): Uint32Array {
  const members = membersOfClasses(set).filter((pictures) => pictures.length > 0);
  for (const pictures of members) shuffle(pictures, random);
  return Uint32Array.from({ length: set.length }, (_, i) => {
    const pictures = members[i % members.length]!;
    return pictures[Math.floor(i / members.length) % pictures.length]!;
  });
}

/** Indices of the pictures of each class, ascending. */
export function membersOfClasses(set: LabeledSet): Uint32Array[] {
  const members = countClasses(set).map((count) => new Uint32Array(count));
  const filled = new Uint32Array(members.length);
  for (const [picture, index] of set.classes.entries()) members[index]![filled[index]!++] = picture;
  return members;
}

function countRepeats(indices: Uint32Array, length: number): Uint32Array {
  const seen = new Uint32Array(length);
  return indices.map((index) => seen[index]!++);
}
