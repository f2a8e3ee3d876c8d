import {
  type BatchMemory,
  type BatchSettings,
  type BatchWriter,
  createBatchWriter,
  DepthwiseError,
  FormatError,
  type Pixels,
  pictureAt,
} from "@depthwise/core";
import { decodePicture } from "../pictures/decode_picture.ts";
import type { SkippedFile } from "../pictures/list_pictures.ts";
import type { PictureSet } from "./data_set.ts";
import { type CacheMemory, preparedCache } from "./prepared_cache.ts";

/** One batch to be made: a message to a worker thread. */
export interface BatchJob {
  readonly epoch: number;
  /** Which batch of the epoch, from 0. */
  readonly number: number;
  /** Its pictures, whose variation each gets, and how often the same was drawn before. */
  readonly indices: Uint32Array;
  readonly epochs: Uint32Array;
  readonly repeats: Uint32Array;
  /** Filled and given back. */
  readonly memory: BatchMemory;
}

/** A batch made: a worker thread's answer. */
export interface MadeBatch {
  readonly memory: BatchMemory;
  /** The pictures of the rows, in order. */
  readonly indices: Uint32Array;
  /** Pictures found unreadable on the way, here for the first time. */
  readonly skipped: readonly SkippedFile[];
}

/** All that a thread needs to make batches of a set. */
export interface BatchMakerSettings extends BatchSettings {
  readonly set: PictureSet;
  /** What becomes of a picture that cannot be read: its row is left out, or the next readable picture of the set stands in. */
  readonly unreadable: "leave out" | "replace";
  readonly cache: CacheMemory;
}

/** Makes batches, one at a time. */
export type BatchMaker = (job: BatchJob) => Promise<MadeBatch>;

/** Pictures that are decoded before their turn: the decoder works on threads of its own. */
const lookAhead = 4;

/** Makes batches on this thread. */
export function createBatchMaker(settings: BatchMakerSettings): BatchMaker {
  const { set, unreadable } = settings;
  const writer = createBatchWriter(settings);
  const pictures = createPictureReader(settings, writer);
  const find = unreadable === "replace" ? findReadable : findOnly;
  return async (job) => {
    const found: number[] = [];
    const queue: Promise<FoundPicture | undefined>[] = [];
    for (let row = 0; row < job.indices.length; row++) {
      while (queue.length < lookAhead && row + queue.length < job.indices.length) {
        const finding = find(pictures, job.indices[row + queue.length]!);
        finding.catch(() => {}); // told when its turn comes, unless another fails before it
        queue.push(finding);
      }
      const picture = await (queue.shift() as Promise<FoundPicture | undefined>);
      if (picture === undefined) continue;
      const draw = { epoch: job.epochs[row]!, index: job.indices[row]!, repeat: job.repeats[row]! };
      writer.write(job.memory, found.length, picture.prepared, set.classes[picture.index]!, draw);
      found.push(picture.index);
    }
    writer.finish(job.memory, found.length, job.epoch, job.number);
    return { memory: job.memory, indices: Uint32Array.from(found), skipped: pictures.takeSkipped() };
  };
}

interface FoundPicture {
  readonly index: number;
  readonly prepared: Pixels;
}

/** Prepared pictures of a set, through the cache where decoding or resizing is slow. */
interface PictureReader {
  readonly length: number;
  /** The picture, or `undefined` if it cannot be read. */
  prepare(index: number): Promise<Pixels | undefined>;
  /** Reasons met since the last call. */
  takeSkipped(): readonly SkippedFile[];
}

function createPictureReader({ set, cache: memory }: BatchMakerSettings, writer: BatchWriter): PictureReader {
  const cache = preparedCache(memory);
  const keep = (index: number, pixels: Pixels): Pixels => {
    const prepared = writer.prepare(pixels);
    cache.add(index, prepared);
    return prepared;
  };
  if (set.kind === "memory") {
    const prepare = async (index: number) => cache.get(index) ?? keep(index, pictureAt(set, index));
    return { length: set.length, prepare, takeSkipped: () => [] };
  }
  let skipped: SkippedFile[] = [];
  return {
    length: set.length,
    async prepare(index) {
      if (cache.isUnreadable(index)) return undefined;
      const kept = cache.get(index);
      if (kept !== undefined) return kept;
      const file = set.files[index] as string;
      try {
        return keep(index, await decodePicture(file));
      } catch (error) {
        // A picture that is damaged, missing or of a foreign format; anything else is a bug of ours.
        if (!(error instanceof DepthwiseError) || error.code === "internal") throw error;
        cache.markUnreadable(index);
        skipped.push({ file, reason: reasonOf(error, file) });
        return undefined;
      }
    },
    takeSkipped() {
      const taken = skipped;
      skipped = [];
      return taken;
    },
  };
}

/** The error's message without the file's name before it. */
function reasonOf({ message }: DepthwiseError, file: string): string {
  const words = message.startsWith(`${file}: `) ? message.slice(file.length + 2) : message;
  return words.replace(/\.$/, "");
}

async function findOnly(pictures: PictureReader, index: number): Promise<FoundPicture | undefined> {
  const prepared = await pictures.prepare(index);
  return prepared && { index, prepared };
}

/** The picture, or the next after it that can be read. Which one does not depend on what was read before. */
async function findReadable(pictures: PictureReader, wanted: number): Promise<FoundPicture> {
  for (let step = 0; step < pictures.length; step++) {
    const found = await findOnly(pictures, (wanted + step) % pictures.length);
    if (found !== undefined) return found;
  }
  const [first] = pictures.takeSkipped(); // none, if another search has taken it
  throw new FormatError(
    `none of the ${pictures.length} pictures can be read${first === undefined ? "" : `; ${first.file}: ${first.reason}`}.`,
  );
}
