import type { Augmentation } from "../augment/augmentation.ts";
import type { Pixels } from "../pixels/pixels.ts";
import type { Preprocessing } from "../pixels/preprocessing.ts";
import { type Batch, createBatchWriter } from "./batch_writer.ts";
import { type Balance, drawEpoch, drawInOrder, type EasyPictures } from "./epoch_draws.ts";
import type { PicturesInMemory } from "./pictures_in_memory.ts";

/** Options of {@link batchesInMemory}. */
export interface BatchesInMemoryOptions {
  /** Pictures a batch. */
  readonly batch: number;
  /** The network's: size, mean, std, channel order. */
  readonly preprocessing: Preprocessing;
  /** Absent: evaluation, every picture once and in order, as `preprocess` makes it. */
  readonly augmentation?: Augmentation | undefined;
  /** Of order and augmentation. Default 0. */
  readonly seed?: number;
  /** Which epoch. The same seed and epoch give the same batches. Default 0. */
  readonly epoch?: number;
  /** Which classes training sees how often. Default `none`. */
  readonly balance?: Balance;
  /** What training passes over. Default: nothing. */
  readonly easy?: EasyPictures | undefined;
}

/**
 * The batches of one epoch, made one by one on the thread that asks: for pages, workers and sets that are quickly augmented.
 *
 * The arrays of a batch are filled anew for the next one.
 *
 * @throws {OptionError} if an option is not valid
 */
export function* batchesInMemory(set: PicturesInMemory, options: BatchesInMemoryOptions): Generator<Batch, void, void> {
  const { batch, preprocessing, augmentation, seed = 0, epoch = 0, balance = "none", easy } = options;
  const writer = createBatchWriter({ batch, classes: set.labels.length, preprocessing, augmentation, seed });
  const isTraining = augmentation !== undefined;
  const draws = isTraining ? drawEpoch(set, { seed, epoch, batch, balance, easy }) : drawInOrder(set);
  const memory = writer.createMemory();
  for (let start = 0; start < draws.indices.length; start += batch) {
    const indices = draws.indices.subarray(start, start + batch);
    for (const [row, index] of indices.entries()) {
      const draw = { epoch: draws.epochs[start + row]!, index, repeat: draws.repeats[start + row]! };
      writer.write(memory, row, writer.prepare(pictureAt(set, index)), set.classes[index]!, draw);
    }
    writer.finish(memory, indices.length, epoch, start / batch);
    yield { ...memory, indices, count: indices.length };
  }
}

/** One picture of a set; shares the set's memory. */
export function pictureAt(set: PicturesInMemory, index: number): Pixels {
  const [height, width] = set.size;
  const bytes = height * width * 3;
  return { width, height, data: set.data.subarray(index * bytes, (index + 1) * bytes) };
}
