import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, IoError, OptionError, type Pixels, UnsupportedError } from "@depthwise/core";
import sharp, { type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodePicture } from "./decode_picture.ts";

const red = [200, 30, 30] as const;
const green = [30, 200, 31] as const;

/** Two pixels, red and green, side by side. */
const redGreen = sharp(Uint8Array.of(...red, ...green), { raw: { width: 2, height: 1, channels: 3 } });

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise pictures "));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

function colours({ data }: Pixels): number[][] {
  return Array.from({ length: data.length / 3 }, (_, i) => [...data.subarray(3 * i, 3 * i + 3)]);
}

describe("decodePicture", () => {
  test("reads a file by its content, whatever its name", async () => {
    const file = join(folder, "-100% #1 'é' 🐈.txt");
    await writeFile(file, await redGreen.clone().png().toBuffer());
    expect(await decodePicture(file)).toEqual({ width: 2, height: 1, data: Uint8Array.of(...red, ...green) });
  });

  test("reads bytes, and a view into more of them, into a plain Uint8Array", async () => {
    const png = await redGreen.clone().png().toBuffer();
    const padded = new Uint8Array(png.length + 7);
    padded.set(png, 3);
    const pixels = await decodePicture(padded.subarray(3, 3 + png.length));
    expect(colours(pixels)).toEqual([red, green]);
    expect(Object.getPrototypeOf(pixels.data)).toBe(Uint8Array.prototype);
  });

  test.each(["png", "webp", "tiff", "gif", "avif"] as const)("reads %s without loss", async (format) => {
    const options = { lossless: true, compression: "lzw", chromaSubsampling: "4:4:4" } as never;
    const wide = redGreen.clone().resize({ width: 32, height: 16, kernel: "nearest" });
    const pixels = await decodePicture(await wide.toFormat(format, options).toBuffer());
    expect([pixels.width, pixels.height]).toEqual([32, 16]);
    expect([colours(pixels)[0], colours(pixels)[511]]).toEqual([red, green]);
  });

  test("reads SVG", async () => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="2" height="1"><rect width="1" height="1" fill="#c81e1e"/></svg>`;
    expect(colours(await decodePicture(Buffer.from(svg)))).toEqual([red, [255, 255, 255]]);
  });

  test.each([
    [1, 2, [red, green]],
    [2, 2, [green, red]],
    [3, 2, [green, red]],
    [4, 2, [red, green]],
    [5, 1, [red, green]],
    [6, 1, [red, green]],
    [7, 1, [green, red]],
    [8, 1, [green, red]],
  ])("turns EXIF orientation %i upright", async (orientation, width, expected) => {
    const tagged = await redGreen.clone().withMetadata({ orientation }).tiff({ compression: "none" }).toBuffer();
    const pixels = await decodePicture(tagged);
    expect([pixels.width, pixels.height]).toEqual([width, 3 - width]);
    expect(colours(pixels)).toEqual(expected);
  });

  test("lays transparency over white", async () => {
    const rgba = Uint8Array.of(...red, 255, ...green, 0, 0, 0, 0, 128);
    const png = await sharp(rgba, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect(colours(await decodePicture(png))).toEqual([red, [255, 255, 255], [127, 127, 127]]);
  });

  test("repeats grey in three channels", async () => {
    const grey = sharp(Uint8Array.of(7, 200), { raw: { width: 2, height: 1, channels: 1 } }).toColourspace("b-w");
    expect(colours(await decodePicture(await grey.png().toBuffer()))).toEqual([
      [7, 7, 7],
      [200, 200, 200],
    ]);
  });

  test("scales 16 bits to 8", async () => {
    const values = Uint16Array.from([...red, ...green], (value) => value * 257);
    const wide = sharp(values, { raw: { width: 2, height: 1, channels: 3 } }).toColourspace("rgb16");
    expect(colours(await decodePicture(await wide.png().toBuffer()))).toEqual([red, green]);
  });

  test("converts an embedded profile to sRGB, with 8 and with 16 bits", async () => {
    // (198, 58, 44) in Display P3 is the sRGB colour (215, 39, 30): linear light through the two spaces' matrices.
    const displayP3 = [198, 58, 44];
    const sRgb = [215, 39, 30];
    // sharp takes 16 bits without a profile for Display P3 already, so nothing is converted in writing.
    const wide = sharp(
      Uint16Array.from(displayP3, (value) => value * 257),
      { raw: { width: 1, height: 1, channels: 3 } },
    );
    const tagged = await wide.toColourspace("rgb16").withIccProfile("p3").png().toBuffer();
    expect(await sharp(tagged).metadata()).toMatchObject({ depth: "ushort", hasProfile: true });
    const narrow = await sharp(tagged)
      .keepIccProfile()
      .png({ bitdepth: 8 } as never)
      .toColourspace("srgb")
      .toBuffer();
    for (const bytes of [tagged, narrow]) {
      const [colour] = colours(await decodePicture(bytes));
      for (const [i, value] of colour!.entries()) expect(Math.abs(value - sRgb[i]!)).toBeLessThanOrEqual(3);
    }
  });

  test("takes CMYK without a profile for perfect inks", async () => {
    const jpeg = await redGreen
      .clone()
      .resize({ width: 32, height: 16, kernel: "nearest" })
      .toColourspace("cmyk")
      .jpeg({ quality: 100 })
      .toBuffer();
    const stripped = withoutProfile(jpeg);
    expect(await sharp(stripped).metadata()).toMatchObject({ space: "cmyk", hasProfile: false });
    const inks = await sharp(stripped).pipelineColourspace("cmyk").toColourspace("cmyk").raw().toBuffer();
    const [first] = colours(await decodePicture(stripped));
    expect(first).toEqual([0, 1, 2].map((i) => Math.round(((255 - inks[i]!) * (255 - inks[3]!)) / 255)));
  });

  test("takes the first frame of an animation", async () => {
    const frames = await Promise.all([red, green].map((colour) => oneColour(colour).png().toBuffer()));
    const gif = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    const pixels = await decodePicture(gif);
    expect([pixels.width, pixels.height]).toEqual([8, 8]);
    expect(colours(pixels)[0]).toEqual(red);
  });
});

describe("decodePicture refuses", () => {
  test("what is not there, folders and what is no regular file, naming it", async () => {
    const missing = join(folder, "missing.jpg");
    await expectRefusal(missing, IoError, `${missing}: there is no such file.`);
    await expectRefusal(folder, IoError, "expected a picture but it is a folder");
    await expectRefusal("/dev/null", IoError, "no regular file");
  });

  test("an empty file", async () => {
    const file = join(folder, "empty.png");
    await writeFile(file, "");
    await expectRefusal(file, FormatError, `${file}: the file is empty.`);
    await expectRefusal(new Uint8Array(0), FormatError, "picture: the file is empty.");
  });

  test("text, whatever its name", async () => {
    const file = join(folder, "text.jpg");
    await writeFile(file, "This is no picture at all.");
    await expectRefusal(file, FormatError, `${file}: this is not a picture`);
  });

  test("every truncation of a JPEG, a PNG and a WebP", async () => {
    const noise = sharp({
      create: {
        width: 24,
        height: 16,
        channels: 3,
        background: "black",
        noise: { type: "gaussian", mean: 128, sigma: 60 },
      },
    });
    for (const format of ["jpeg", "png", "webp"] as const) {
      const bytes = await noise.clone().toFormat(format).toBuffer();
      // The last 12 bytes of a PNG are its end mark, which decoders do not miss.
      const lengths = Array.from({ length: 40 }, (_, i) => Math.floor(((bytes.length - 13) * (i + 1)) / 40));
      for (const length of lengths) await expectRefusal(bytes.subarray(0, length), FormatError, /picture: /);
    }
  });

  test("more pixels than allowed, from the header", async () => {
    const png = await oneColour(red).png().toBuffer();
    await expect(decodePicture(png, { maxPixels: 64 })).resolves.toMatchObject({ width: 8, height: 8 });
    const refusal = decodePicture(png, { maxPixels: 63, name: "red.png" });
    await expect(refusal).rejects.toThrow("red.png: expected at most 63 pixels but the header says 8x8, which is 64.");
    await expect(refusal).rejects.toMatchObject({
      code: "format",
      file: "red.png",
      hint: expect.stringContaining("maxPixels"),
    });
    const svg = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="30000" height="20000"></svg>`);
    await expectRefusal(
      svg,
      FormatError,
      "at most 250 million pixels but the header says 30000x20000, which is 600 million",
    );
  });

  test.each([
    ["HEIC", "\0\0\0\x18ftypmif1\0\0\0\0mif1heic"],
    ["BMP", "BM\x46\0\0\0\0\0\0\0\x36\0\0\0"],
    ["JPEG XL", "\xff\x0a\xfa\x1f"],
    ["ICO", "\0\0\x01\0\x01\0"],
    ["Netpbm", "P6\n# by hand\n4 3\n255\n"],
    ["Photoshop", "8BPS\0\x01"],
  ])("%s, by name", async (name, start) => {
    const bytes = Buffer.concat([Buffer.from(start, "latin1"), Buffer.alloc(100)]);
    await expectRefusal(bytes, UnsupportedError, `picture: ${name} pictures are not supported.`);
  });

  test("a limit that is no number", async () => {
    await expect(decodePicture(new Uint8Array(1), { maxPixels: Number.NaN })).rejects.toThrow(OptionError);
  });
});

type ErrorClass = typeof FormatError | typeof IoError | typeof UnsupportedError;

async function expectRefusal(picture: string | Uint8Array, type: ErrorClass, message: string | RegExp): Promise<void> {
  const error = await decodePicture(picture).then(
    (pixels) => `decoded to ${pixels.width}x${pixels.height}`,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(type);
  expect((error as Error).message).toMatch(message);
  expect((error as FormatError).file).toBe(typeof picture === "string" ? picture : "picture");
}

function oneColour([r, g, b]: readonly [number, number, number]): Sharp {
  return sharp({ create: { width: 8, height: 8, channels: 3, background: { r, g, b } } });
}

/** A JPEG without its APP2 segments, which hold the colour profile. */
function withoutProfile(jpeg: Buffer): Buffer {
  const kept = [jpeg.subarray(0, 2)];
  let at = 2;
  while (jpeg[at + 1] !== 0xda) {
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    if (jpeg[at + 1] !== 0xe2) kept.push(jpeg.subarray(at, end));
    at = end;
  }
  return Buffer.concat([...kept, jpeg.subarray(at)]);
}
