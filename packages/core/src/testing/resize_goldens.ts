import { readFileSync } from "node:fs";
import type { ResizeFilter } from "../pixels/resample_taps.ts";
import type { ResizeCase } from "./resize_in_page.ts";
import type { SyntheticPattern } from "./synthetic_pixels.ts";

/** A resized synthetic picture and what Pillow makes of it. */
export interface ResizeGolden extends ResizeCase {
  /** For example `noise 64x48 to 32x48 bilinear`. */
  readonly name: string;
  readonly sha256: string;
}

/** The cases of `resize.golden.json`, which `pillow_goldens.py` writes. */
export const resizeGoldens: readonly ResizeGolden[] = readGoldens();

function readGoldens(): ResizeGolden[] {
  const text = readFileSync(new URL("./resize.golden.json", import.meta.url), "utf8");
  const { sha256 } = JSON.parse(text) as { sha256: Record<string, string> };
  return Object.entries(sha256).map(([name, hash]) => ({ ...parseName(name), name, sha256: hash }));
}

function parseName(name: string): ResizeCase {
  const [, pattern, sizes, filter] = /^(\w+) (\d+x\d+ to \d+x\d+) (\w+)$/.exec(name) ?? [];
  const [fromWidth = 0, fromHeight = 0, width = 0, height = 0] = (sizes ?? "").split(/x| to /).map(Number);
  return {
    pattern: pattern as SyntheticPattern,
    from: [fromWidth, fromHeight],
    to: { width, height, filter: filter as ResizeFilter },
  };
}
