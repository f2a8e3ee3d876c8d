import type { Pixels } from "../pixels/pixels.ts";

/** Every byte random, or random bytes of 0 and 255 only: the hardest case for kernels that overshoot. */
export type SyntheticPattern = "noise" | "extremes";

/** The same picture for the same arguments everywhere: a linear congruential generator, as in `pillow_goldens.py`. */
export function syntheticPixels(pattern: SyntheticPattern, width: number, height: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  let state = width * 65536 + height;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = pattern === "noise" ? state >>> 24 : 255 * (state >>> 31);
  }
  return { width, height, data };
}
