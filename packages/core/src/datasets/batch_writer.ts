import { createAugmenter, pictureRandom } from "../augment/augment_picture.ts";
import type { Augmentation } from "../augment/augmentation.ts";
import { mixPictures } from "../augment/mix_pictures.ts";
import { OptionError } from "../errors.ts";
import type { Pixels } from "../pixels/pixels.ts";
import { createNormalizer, fitToInput, inputChannels } from "../pixels/preprocess.ts";
import { checkPreprocessing, type Preprocessing } from "../pixels/preprocessing.ts";
import { seededRandom } from "../random.ts";

/** What a training step takes. */
export interface Batch {
  /** `[batch, H, W, C]`, the network's input, whole even where `count` is less. */
  readonly pictures: Float32Array;
  /** `[batch, classes]`: 1 for the class, or shares that sum to 1 where pictures are mixed. Zeros in rows from `count` on. */
  readonly targets: Float32Array;
  /** Which pictures of the set the first `count` rows are. */
  readonly indices: Uint32Array;
  /** Rows that hold a picture; the others are zeros. Less than the batch only at the end of an evaluation. */
  readonly count: number;
}

/** Settings of {@link createBatchWriter}. */
export interface BatchSettings {
  /** Pictures a batch. */
  readonly batch: number;
  /** Classes of the targets. */
  readonly classes: number;
  /** The network's: size, mean, std, channel order. */
  readonly preprocessing: Preprocessing;
  /** Default: none; pictures become what `preprocess` makes of them. */
  readonly augmentation?: Augmentation | undefined;
  /** Of everything that is drawn. */
  readonly seed: number;
}

/** Which picture in which epoch: all that its augmentation depends on, beside the seed. */
export interface PictureDraw {
  readonly epoch: number;
  readonly index: number;
  readonly repeat: number;
}

/** The memory of one batch. */
export type BatchMemory = Pick<Batch, "pictures" | "targets">;

/** Fills batches, one picture after the other. Knows nothing of where pictures come from, nor of threads. */
export interface BatchWriter {
  /** Zeros for a batch of the settings. */
  createMemory(): BatchMemory;
  /** The part of a picture's way that is the same in every epoch; worth keeping where decoding is slow. */
  prepare(pixels: Pixels): Pixels;
  /** Augments and normalises a prepared picture into row `row`, and sets its target. */
  write(memory: BatchMemory, row: number, prepared: Pixels, classIndex: number, draw: PictureDraw): void;
  /** Clears the rows from `count` on and mixes the others, if the augmentation says so. The last step of batch `number` of an epoch. */
  finish(memory: BatchMemory, count: number, epoch: number, number: number): void;
}

/** @throws {OptionError} if the batch, the preprocessing or the augmentation is not valid */
export function createBatchWriter(settings: BatchSettings): BatchWriter {
  const { batch, classes, preprocessing, augmentation, seed } = settings;
  checkCount("batch", batch);
  checkCount("classes", classes);
  checkPreprocessing(preprocessing);
  const shape = [...preprocessing.size, inputChannels(preprocessing)] as const;
  const length = shape[0] * shape[1] * shape[2];
  const writeNormalized = createNormalizer(preprocessing);
  const augmenter = augmentation && createAugmenter(augmentation, preprocessing);
  const isMixed = augmentation?.mixup !== undefined || augmentation?.cutmix !== undefined;
  return {
    createMemory: () => ({
      pictures: new Float32Array(batch * length),
      targets: new Float32Array(batch * classes),
    }),
    prepare: augmenter?.prepare ?? ((pixels) => fitToInput(pixels, preprocessing)),
    write({ pictures, targets }, row, prepared, classIndex, { epoch, index, repeat }) {
      const pixels = augmenter?.augment(prepared, pictureRandom(seed, epoch, index, repeat)) ?? prepared;
      writeNormalized(pixels.data, pictures, row * length);
      targets.fill(0, row * classes, (row + 1) * classes);
      targets[row * classes + classIndex] = 1;
    },
    finish(memory, count, epoch, number) {
      memory.pictures.fill(0, count * length);
      memory.targets.fill(0, count * classes);
      if (isMixed) mixPictures(memory, count, shape, augmentation, seededRandom(seed, `mix/${epoch}/${number}`));
    },
  };
}

/** @throws {OptionError} unless it is a whole number from 1 up */
function checkCount(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new OptionError(`${what}: expected a whole number, at least 1, but received ${value}.`);
  }
}
