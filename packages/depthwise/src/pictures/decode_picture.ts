import { readFile, stat } from "node:fs/promises";
import { FormatError, IoError, OptionError, type Pixels, pixelsFromRgba, UnsupportedError } from "@depthwise/core";
import type { Metadata, Sharp } from "sharp";
import { recognizeFormat } from "./picture_formats.ts";

/** How {@link decodePicture} reads. */
export interface DecodeOptions {
  /**
   * Most pixels that a picture may have by its header. Default: 250 million. A file of a few kilobytes can promise
   * billions, so it is refused before anything is decoded.
   */
  readonly maxPixels?: number;
  /** What messages call a picture that is given as bytes. Default: `picture`. */
  readonly name?: string;
}

/** The largest telephone cameras make 200 million. Decoding so many takes up to 1 GB. */
const defaultMaxPixels = 250_000_000;

/** 1 GiB: no picture within the limit needs more, and files are read whole. */
const mostFileBytes = 2 ** 30;

/**
 * Reads a picture: JPEG, PNG, WebP, GIF, TIFF, AVIF or SVG, recognised by content, whatever the file is called.
 *
 * Orientation by EXIF is applied, an embedded colour profile is converted to sRGB, transparency is laid over white, and
 * 16-bit, CMYK, grey and palette pictures come out as 8-bit RGB. Of an animation or a document it is the first frame or
 * page.
 *
 * @param file a path, or the file's bytes
 * @returns `[height, width, 3]`
 * @throws {IoError} if there is no such file, or it cannot be read
 * @throws {FormatError} if it is empty, no picture, damaged, cut short, or over `maxPixels`; it names the file
 * @throws {UnsupportedError} if it is a picture of a format that we do not read, such as HEIC
 */
export async function decodePicture(file: string | Uint8Array, options: DecodeOptions = {}): Promise<Pixels> {
  const maxPixels = options.maxPixels ?? defaultMaxPixels;
  if (!(maxPixels >= 1)) throw new OptionError(`maxPixels: expected a number from 1 up but received ${maxPixels}.`);
  const name = typeof file === "string" ? file : (options.name ?? "picture");
  const bytes = typeof file === "string" ? await readPictureFile(file) : file;
  if (bytes.length === 0) throw new FormatError(`${name}: the file is empty.`, { file: name });
  // Imported late: loading it takes longer than printing a help text may.
  const { default: sharp } = await import("sharp");
  // The limit is ours to check, from the header, so that the message can say what was found.
  const open = (): Sharp => sharp(bytes, { failOn: "warning", limitInputPixels: false });
  const header = await explained(name, bytes, open().metadata());
  checkHeader(name, header, maxPixels);
  return explained(name, bytes, isBareCmyk(header) ? decodeBareCmyk(open()) : decodeRgb(open(), header));
}

async function readPictureFile(file: string): Promise<Uint8Array> {
  try {
    const status = await stat(file);
    if (status.isDirectory()) throw new IoError(`${file}: expected a picture but it is a folder.`, { file });
    // A pipe or a device might never end.
    if (!status.isFile()) throw new IoError(`${file}: expected a picture but it is no regular file.`, { file });
    if (status.size > mostFileBytes) {
      throw new FormatError(`${file}: expected a picture of at most 1 GiB but the file has ${status.size} bytes.`, {
        file,
      });
    }
    return await readFile(file);
  } catch (cause) {
    throw isSystemError(cause) ? new IoError(`${file}: ${reasonOf(cause)}.`, { file, cause }) : cause;
  }
}

function isSystemError(cause: unknown): cause is NodeJS.ErrnoException {
  return cause instanceof Error && "code" in cause && "syscall" in cause;
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "there is no such file";
  if (error.code === "EACCES") return "reading it is not permitted";
  return error.message;
}

function checkHeader(name: string, { width, height }: Metadata, maxPixels: number): void {
  if (!(width >= 1 && height >= 1)) {
    throw new FormatError(`${name}: expected at least one pixel but the header says ${width}x${height}.`, {
      file: name,
    });
  }
  if (width * height > maxPixels) {
    throw new FormatError(
      `${name}: expected at most ${inMillions(maxPixels)} pixels but the header says ${width}x${height}, ` +
        `which is ${inMillions(width * height)}.`,
      { file: name, hint: "Raise maxPixels if the picture is really so large and there is memory for it." },
    );
  }
}

function inMillions(count: number): string {
  return count < 1e6 ? String(count) : `${Number((count / 1e6).toPrecision(3))} million`;
}

async function decodeRgb(picture: Sharp, header: Metadata): Promise<Pixels> {
  // With 16 bits a channel and a profile, sharp works in Display P3 and would leave the bytes there.
  const isWide = header.hasProfile && header.space === "rgb16";
  const converted = (isWide ? picture.withIccProfile("srgb") : picture).autoOrient().toColourspace("srgb");
  const { data, info } = await converted.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const values = new Uint8Array(data.buffer, data.byteOffset, data.length);
  if ((channels as number) === 3) return { width, height, data: values };
  if (channels === 4) return pixelsFromRgba({ width, height, data: values });
  throw new UnsupportedError(`expected one to four channels of grey or colour but received ${header.channels}`);
}

/**
 * CMYK without a profile, whose inks no one described: taken as perfect ones, as browsers do, not as those of a
 * printing press.
 */
function isBareCmyk(header: Metadata): boolean {
  return header.space === "cmyk" && !header.hasProfile && header.channels === 4;
}

async function decodeBareCmyk(picture: Sharp): Promise<Pixels> {
  const inks = picture.pipelineColourspace("cmyk").autoOrient().toColourspace("cmyk");
  const { data, info } = await inks.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  const rgb = new Uint8Array(info.width * info.height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const light = 255 - data[from + 3]!;
    for (let channel = 0; channel < 3; channel++)
      rgb[to + channel] = Math.round(((255 - data[from + channel]!) * light) / 255);
  }
  return { width: info.width, height: info.height, data: rgb };
}

/** Turns what the decoder rejects with into an error that names the file and says which kind of trouble it is. */
async function explained<Result>(name: string, bytes: Uint8Array, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    const details = { file: name, cause };
    const format = recognizeFormat(bytes);
    if (format === undefined)
      throw new FormatError(`${name}: this is not a picture of any format known here.`, details);
    if (!format.isDecoded || cause instanceof UnsupportedError) {
      const what = format.isDecoded
        ? `${format.name} picture: ${(cause as Error).message}`
        : `${format.name} pictures are not supported`;
      throw new UnsupportedError(`${name}: ${what}.`, { ...details, hint: "Convert it to PNG or JPEG." });
    }
    throw new FormatError(`${name}: the ${format.name} data ${complaint(cause)}.`, details);
  }
}

/** What is wrong with the data, with the last line of the decoder's own words. */
function complaint(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const words = message.trim().split("\n").at(-1);
  if (/premature end|unexpected end|not enough data|outside of file bounds|cannot read full/i.test(message)) {
    return `is truncated (${words})`;
  }
  return message.includes("corrupt header") ? `has a corrupt header (${words})` : `is damaged or truncated (${words})`;
}
