import { availableParallelism } from "node:os";
import {
  type Augmentation,
  type Balance,
  type Batch,
  type BatchMemory,
  createBatchWriter,
  DisposedError,
  drawEpoch,
  drawInOrder,
  type EasyPictures,
  type EpochDraws,
  isFitted,
  OptionError,
  type Preprocessing,
  trainingBatches,
} from "@depthwise/core";
import type { SkippedFile } from "../pictures/list_pictures.ts";
import { checkNotAborted, untilAborted } from "./aborted.ts";
import { type BatchMaker, type BatchMakerSettings, createBatchMaker, type MadeBatch } from "./batch_maker.ts";
import type { PictureSet } from "./data_set.ts";
import { reserveCache } from "./prepared_cache.ts";
import { startWorkerPool } from "./worker_pool.ts";

/** Options of {@link createLoader}. */
export interface LoaderOptions {
  /** Pictures a batch. */
  readonly batch: number;
  /** The network's: size, mean, std, channel order. */
  readonly preprocessing: Preprocessing;
  /** Absent: evaluation. Every picture once, in order, with the numbers that `preprocess` makes of it. */
  readonly augmentation?: Augmentation | undefined;
  /** Of order and augmentation. Default 0. */
  readonly seed?: number;
  /** Which classes training sees how often. Default `none`: each picture once. */
  readonly balance?: Balance;
  /**
   * Threads that decode and augment; 0 does it on the thread that asks. Default: 0 for pictures in memory; for files one less than
   * there are processors, at least 1 and at most 4. Batches are the same for any number.
   */
  readonly workers?: number;
  /** Batches made before they are asked for, where there are workers. Default 2, but not less than `workers`. */
  readonly ahead?: number;
  /** Most bytes of decoded or resized pictures that are kept from epoch to epoch. Default 512 MiB. */
  readonly cacheBytes?: number;
  /** Ends an epoch, and disposes of the loader. */
  readonly signal?: AbortSignal;
}

/** Batches of a set of pictures, epoch by epoch. */
export interface Loader extends AsyncDisposable {
  /** Batches in an epoch. In training all are full: pictures that fill none are left out, others in every epoch. */
  readonly batches: number;
  /** Pictures in an epoch. */
  readonly pictures: number;
  /** Pictures that could not be read, as far as met. Training takes another instead; evaluation leaves them out. */
  readonly skipped: readonly SkippedFile[];
  /**
   * The batches of one epoch; any epoch at any time, but one at a time. The same seed and epoch give the same batches.
   *
   * The arrays of a batch are the loader's: they hold until the next batch is asked for.
   *
   * @param easy what training passes over; default: nothing
   * @throws {FormatError} if no picture of the set can be read
   * @throws {DepthwiseError} with the code `aborted` after the signal
   */
  epoch(epoch: number, easy?: EasyPictures): AsyncGenerator<Batch, void, void>;
}

const usualCacheBytes = 512 * 2 ** 20;
const usualAhead = 2;
const mostUsualWorkers = 4;

/**
 * Makes batches of a set of pictures for training or evaluation.
 *
 * @throws {OptionError} if the set is empty or an option is not valid
 */
export function createLoader(set: PictureSet, options: LoaderOptions): Loader {
  const { batch, preprocessing, augmentation, seed = 0, balance = "none", signal } = options;
  checkNotAborted(signal, "loading pictures");
  const workers = numberFrom("workers", options.workers ?? usualWorkers(set), 0);
  const ahead = Math.max(workers, numberFrom("ahead", options.ahead ?? usualAhead, 1));
  if (set.length === 0) throw new OptionError("The set has no pictures.");
  const settings: BatchMakerSettings = {
    ...{ batch, classes: set.labels.length, preprocessing, augmentation, seed },
    set: workers > 0 ? shareable(set) : set,
    unreadable: augmentation === undefined ? "leave out" : "replace",
    cache: reserveFor(set, preprocessing, augmentation, options.cacheBytes ?? usualCacheBytes),
  };
  const { createMemory } = createBatchWriter(settings); // also checks the settings, before any thread starts
  const pool = workers > 0 ? startWorkerPool(settings, workers) : undefined;
  const makeHere = createBatchMaker(settings);
  const skipped: SkippedFile[] = [];
  let state: "idle" | "running" | "disposed" = "idle";

  async function dispose(): Promise<void> {
    state = "disposed";
    signal?.removeEventListener("abort", dispose);
    await pool?.dispose();
  }
  signal?.addEventListener("abort", dispose, { once: true });

  return {
    batches: augmentation === undefined ? Math.ceil(set.length / batch) : trainingBatches(set.length, batch),
    pictures: augmentation === undefined ? set.length : trainingBatches(set.length, batch) * batch,
    skipped,
    async *epoch(epoch, easy) {
      checkNotAborted(signal, "loading pictures");
      if (state === "disposed") throw new DisposedError("The loader was used after its disposal.");
      if (state === "running") throw new OptionError("One epoch at a time: the loader is in the middle of another.");
      state = "running";
      try {
        const isTraining = augmentation !== undefined;
        const draws = isTraining ? drawEpoch(set, { seed, epoch, batch, balance, easy }) : drawInOrder(set);
        const making = makeAhead(pool?.make ?? makeHere, draws, {
          epoch,
          batch,
          ahead: pool ? ahead : 1,
          createMemory,
          signal,
        });
        for await (const made of making) {
          skipped.push(...made.skipped);
          yield { ...made.memory, indices: made.indices, count: made.indices.length };
        }
      } finally {
        if (state === "running") state = "idle";
      }
    },
    [Symbol.asyncDispose]: dispose,
  };
}

interface EpochRun {
  readonly epoch: number;
  readonly batch: number;
  readonly ahead: number;
  readonly createMemory: () => BatchMemory;
  readonly signal: AbortSignal | undefined;
}

/** Keeps `ahead` batches in the making. Memory goes round: `ahead` batches, and the one that was given out. */
async function* makeAhead(make: BatchMaker, draws: EpochDraws, run: EpochRun): AsyncGenerator<MadeBatch, void, void> {
  const { epoch, batch, ahead, createMemory, signal } = run;
  const free: BatchMemory[] = [];
  const making: Promise<MadeBatch>[] = [];
  const batches = Math.ceil(draws.indices.length / batch);
  for (let number = 0; number < batches; number++) {
    for (let next = number + making.length; making.length < ahead && next < batches; next++) {
      const [from, to] = [next * batch, (next + 1) * batch];
      const made = make({
        ...{ epoch, number: next, memory: free.pop() ?? createMemory() },
        indices: draws.indices.slice(from, to),
        epochs: draws.epochs.slice(from, to),
        repeats: draws.repeats.slice(from, to),
      });
      made.catch(() => {}); // told to whoever waits for it; nobody does when the epoch is left early
      making.push(made);
    }
    const made = await untilAborted(making.shift() as Promise<MadeBatch>, signal, "loading pictures");
    yield made;
    free.push(made.memory);
  }
}

function usualWorkers(set: PictureSet): number {
  return set.kind === "memory" ? 0 : Math.max(1, Math.min(mostUsualWorkers, availableParallelism() - 1));
}

/** Threads share pictures only in shared memory; what lies elsewhere would be copied for each. */
function shareable(set: PictureSet): PictureSet {
  if (set.kind === "files" || set.data.buffer instanceof SharedArrayBuffer) return set;
  const data = new Uint8Array(new SharedArrayBuffer(set.data.length));
  data.set(set.data);
  return { ...set, data };
}

function reserveFor(
  set: PictureSet,
  preprocessing: Preprocessing,
  augmentation: Augmentation | undefined,
  budgetBytes: number,
): BatchMakerSettings["cache"] {
  if (set.kind === "memory") {
    const [height, width] = set.size;
    if (isFitted({ width, height }, preprocessing)) return reserveCache(set.length, 0, 0);
  }
  const [height, width] = preprocessing.size;
  // Pictures for random resized crops keep their proportions: short side 1.15 of the input's, long side three times that.
  const longest = 1.15 * Math.max(height, width) + 1;
  const pictureBytes = augmentation?.crop.kind === "resized" ? 3 * 3 * longest ** 2 : 3 * height * width;
  return reserveCache(set.length, pictureBytes, numberFrom("cacheBytes", budgetBytes, 0));
}

/** @throws {OptionError} unless it is a whole number from `least` up */
function numberFrom(what: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new OptionError(`${what}: expected a whole number, at least ${least}, but received ${value}.`);
}
