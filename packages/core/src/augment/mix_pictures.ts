import type { Random } from "../random.ts";
import type { Augmentation } from "./augmentation.ts";

/** Pictures of a batch and what the network is to answer. */
export interface MixedBatch {
  /** `[N, H, W, C]`; changed in place. */
  readonly pictures: Float32Array;
  /** `[N, classes]`, rows that sum to 1; changed in place. */
  readonly targets: Float32Array;
}

/** Rows, columns and channels of a picture. */
export type PictureShape = readonly [H: number, W: number, C: number];

/**
 * Mixup or cutmix within a batch. The first picture is paired with the last, the second with the last but one, and so on
 * (batches are in random order, so partners are); an odd one in the middle stays. Each pair draws its own share.
 *
 * @param count pictures in the batch, N
 */
export function mixPictures(
  batch: MixedBatch,
  count: number,
  shape: PictureShape,
  { mixup, cutmix }: Pick<Augmentation, "mixup" | "cutmix">,
  random: Random,
): void {
  const length = shape[0] * shape[1] * shape[2];
  const classes = batch.targets.length / (batch.pictures.length / length);
  for (let i = 0; i < count >> 1; i++) {
    const j = count - 1 - i;
    const a = batch.pictures.subarray(i * length, (i + 1) * length);
    const b = batch.pictures.subarray(j * length, (j + 1) * length);
    const isCut = cutmix !== undefined && (mixup === undefined || random.below(2) === 1);
    const settings = isCut ? cutmix : mixup;
    if (settings === undefined) return;
    const drawn = drawShare(settings.alpha, random);
    const share = isCut ? swapRectangle(a, b, shape, drawn, random) : blend(a, b, drawn);
    const first = batch.targets.subarray(i * classes, (i + 1) * classes);
    blend(first, batch.targets.subarray(j * classes, (j + 1) * classes), share);
  }
}

/** `a` becomes `share * a + (1 - share) * b`, and `b` the other way round. Returns the share. */
function blend(a: Float32Array, b: Float32Array, share: number): number {
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    a[i] = share * x + (1 - share) * y;
    b[i] = share * y + (1 - share) * x;
  }
  return share;
}

/** Swaps a rectangle that leaves about `share` of the area; returns the share that it did leave. */
function swapRectangle(
  a: Float32Array,
  b: Float32Array,
  [height, width, channels]: PictureShape,
  share: number,
  random: Random,
): number {
  const side = Math.sqrt(1 - share);
  const cutHeight = Math.round(height * side);
  const cutWidth = Math.round(width * side);
  // As in the paper (§3.1): the middle anywhere in the picture, what reaches beyond it cut off.
  const top = random.below(height) - (cutHeight >> 1);
  const left = random.below(width) - (cutWidth >> 1);
  const [y0, y1] = [Math.max(0, top), Math.min(height, top + cutHeight)];
  const [x0, x1] = [Math.max(0, left), Math.min(width, left + cutWidth)];
  for (let row = y0; row < y1; row++) {
    for (let i = (row * width + x0) * channels; i < (row * width + x1) * channels; i++) {
      const kept = a[i]!;
      a[i] = b[i]!;
      b[i] = kept;
    }
  }
  return 1 - ((y1 - y0) * (x1 - x0)) / (height * width);
}

/** Steps of a share. Coarser than the last bit of pow, in which engines may differ. */
const shareSteps = 4096;

/** A share of Beta(alpha, alpha), by Jöhnk's method (1964). */
function drawShare(alpha: number, random: Random): number {
  for (;;) {
    const x = random.uniform() ** (1 / alpha);
    const y = random.uniform() ** (1 / alpha);
    if (x + y <= 1 && x + y > 0) return Math.round((x / (x + y)) * shareSteps) / shareSteps;
  }
}
