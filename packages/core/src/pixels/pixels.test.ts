import { describe, expect, test } from "vitest";
import { OptionError } from "../errors.ts";
import { checkPixels, pixelsFromRgba } from "./pixels.ts";

describe("pixelsFromRgba", () => {
  test("lays colours over white by their alpha, to the nearest level", () => {
    const data = Uint8ClampedArray.of(10, 20, 30, 255, 0, 0, 0, 0, 100, 0, 255, 128, 0, 0, 0, 127);
    // 100*128/255 + 127 = 177.2; 0 + 127 = 127; white stays white; 255 * 128 / 255 = 128.
    expect(pixelsFromRgba({ width: 2, height: 2, data })).toEqual({
      width: 2,
      height: 2,
      data: Uint8Array.of(10, 20, 30, 255, 255, 255, 177, 127, 255, 128, 128, 128),
    });
  });

  test("keeps opaque colours and turns transparent ones white, whatever the value", () => {
    const data = Uint8Array.from({ length: 512 * 4 }, (_, i) => (i % 4 === 3 ? (i < 1024 ? 255 : 0) : (i >> 2) & 255));
    const expected = Uint8Array.from({ length: 512 * 3 }, (_, i) => (i < 768 ? Math.floor(i / 3) : 255));
    expect(pixelsFromRgba({ width: 512, height: 1, data }).data).toEqual(expected);
  });

  test("refuses data of another size", () => {
    expect(() => pixelsFromRgba({ width: 2, height: 2, data: new Uint8Array(12) })).toThrow(
      /expected 16 bytes.*received 12/,
    );
  });
});

describe("checkPixels", () => {
  test.each([
    [{ width: 0, height: 1, data: new Uint8Array(0) }, /picture width: .*received 0/],
    [{ width: 1, height: -1, data: new Uint8Array(0) }, /picture height: .*received -1/],
    [{ width: 1, height: Number.NaN, data: new Uint8Array(0) }, /picture height: .*received NaN/],
    [{ width: 2, height: 2, data: new Uint8Array(13) }, /expected 12 bytes.*received 13/],
  ])("refuses %o", (pixels, message) => {
    expect(() => checkPixels(pixels)).toThrow(OptionError);
    expect(() => checkPixels(pixels)).toThrow(message);
  });
});
