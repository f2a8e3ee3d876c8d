import { type Random, seededRandom } from "../random.ts";
import { countClasses, type LabeledSet } from "./pictures_in_memory.ts";

/** The pictures of one epoch, in order. */
export interface EpochDraws {
  /** Index of each picture in its set. */
  readonly indices: Uint32Array;
  /** Whose variation each of them gets, and how often the same was drawn before: what its augmentation depends on, beside the seed. */
  readonly epochs: Uint32Array;
  readonly repeats: Uint32Array;
}

/**
 * Which classes training sees how often: each picture once an epoch; or (`sample`) each class equally often, pictures of
 * small classes several times and those of large ones not in every epoch.
 */
export type Balance = "none" | "sample";

/** What is known of each picture of a set from the epochs before. */
export interface PictureHistory {
  /** Loss when it last came by, over the least that its target allows, in nats. NaN: it has not come by. */
  readonly losses: Float32Array;
  /** How often it came by. */
  readonly seen: Uint32Array;
}

/**
 * Fewer of the easy pictures, those with less than the mean loss; the others come the more often (as in arXiv:1910.00762 and
 * arXiv:2303.04947, but without weights: what is hard counts for more). The first epoch and the last 15 % take all.
 */
export interface EasyPictures {
  /** Of the easy ones, which an epoch passes over. */
  readonly share: number;
  /** Of the whole run. A picture has as many variations, one for each time that it comes by; then they begin again. */
  readonly epochs: number;
  readonly history: PictureHistory;
}

/** Settings of {@link drawEpoch}. */
export interface EpochSettings {
  readonly seed: number;
  readonly epoch: number;
  /** Pictures a batch. */
  readonly batch: number;
  readonly balance: Balance;
  /** Default: each picture is seen as often as the others. */
  readonly easy?: EasyPictures | undefined;
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
export function drawEpoch(set: LabeledSet, settings: EpochSettings): EpochDraws {
  const { epoch, batch, easy } = settings;
  const count = trainingBatches(set.length, batch) * batch;
  if (easy === undefined) {
    const indices = drawAll(set, count, settings);
    const repeats = countRepeats(indices, new Uint32Array(set.length));
    return { indices, epochs: indices.map(() => epoch), repeats };
  }
  const isWhole = epoch === 0 || epoch >= Math.round(wholeFrom * easy.epochs);
  const indices = isWhole ? drawAll(set, count, settings) : drawHard(count, settings, easy);
  const times = countRepeats(indices, easy.history.seen.slice());
  return { indices, epochs: times.map((before) => before % easy.epochs), repeats: times.map(() => 0) };
}

/** Share of the epochs from which on all pictures are taken again. */
const wholeFrom = 0.85;

function drawAll(set: LabeledSet, count: number, { seed, epoch, balance }: EpochSettings): Uint32Array {
  const random = seededRandom(seed, `order/${epoch}`);
  const once = balance === "sample" ? drawBalanced(set, random) : upTo(set.length);
  shuffle(once, random);
  return Uint32Array.from({ length: count }, (_, i) => once[i % once.length]!);
}

/** A share of the easy pictures is passed over; in their place the hard ones are gone through again and again. */
function drawHard(count: number, { seed, epoch }: EpochSettings, { share, history }: EasyPictures): Uint32Array {
  const random = seededRandom(seed, `hard/${epoch}`);
  const mean = meanOfKnown(history.losses);
  const taken: number[] = [];
  const hard: number[] = [];
  for (const [index, loss] of history.losses.entries()) {
    if (!(loss < mean)) hard.push(index);
    else if (random.uniform() >= share) taken.push(index);
  }
  const order = Uint32Array.from(hard);
  shuffle(order, random);
  for (let i = 0; taken.length < count; i++) taken.push(order[i % order.length]!);
  const drawn = Uint32Array.from(taken);
  shuffle(drawn, random);
  return drawn.subarray(0, count);
}

function meanOfKnown(losses: Float32Array): number {
  const known = losses.filter((loss) => !Number.isNaN(loss));
  return known.reduce((sum, loss) => sum + loss, 0) / known.length;
}

/** Every picture once, in order, for evaluation. */
export function drawInOrder(set: LabeledSet): EpochDraws {
  return { indices: upTo(set.length), epochs: new Uint32Array(set.length), repeats: new Uint32Array(set.length) };
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

/** How often each was drawn before; counts on in `seen`. */
function countRepeats(indices: Uint32Array, seen: Uint32Array): Uint32Array {
  return indices.map((index) => seen[index]!++);
}
