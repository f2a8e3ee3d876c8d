import { preprocess } from "../pixels/preprocess.ts";
import { type PreprocessingPreset, preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { type ResizeOptions, resize } from "../pixels/resize.ts";
import { type SyntheticPattern, syntheticPixels } from "./synthetic_pixels.ts";

/** A synthetic picture and what to make of it. */
export interface ResizeCase {
  readonly pattern: SyntheticPattern;
  readonly from: readonly [width: number, height: number];
  readonly to: ResizeOptions;
}

/** Runs in Node and in pages; hexadecimal, of the resized bytes. */
export async function resizedSha256({ pattern, from, to }: ResizeCase): Promise<string> {
  const { width, height, data } = resize(syntheticPixels(pattern, ...from), to);
  if (width !== to.width || height !== to.height) return `resized to ${width}x${height}`;
  return sha256(data);
}

/** {@link resizedSha256} of many cases. */
export function resizedSha256s(cases: readonly ResizeCase[]): Promise<string[]> {
  return Promise.all(cases.map(resizedSha256));
}

/** Hash of the float32 values that each preset makes of one photo-sized picture. */
export async function preprocessedSha256s(): Promise<Record<string, string>> {
  const pixels = syntheticPixels("noise", 500, 375);
  const names = Object.keys(preprocessingPresets) as PreprocessingPreset[];
  const hashes = names.map(
    async (name) => [name, await sha256(preprocess(pixels, preprocessingPresets[name]))] as const,
  );
  return Object.fromEntries(await Promise.all(hashes));
}

async function sha256(values: Uint8Array | Float32Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", values as Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
