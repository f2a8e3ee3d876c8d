import type { Preprocessing } from "@depthwise/core";

/** One build of the network's code: what a host must know of it. Addresses are in bytes. */
export interface Build {
  /** Its file. */
  readonly file: string;
  /** Pages of 65,536 bytes. */
  readonly pages: number;
  readonly input: number;
  readonly output: number;
  /** Where in the file its memory is said to be shared, for builds for threads. */
  readonly sharedAt?: number;
  /** Where its weights come from, if it does not hold them itself. */
  readonly weights?: WeightsPlace;
}

/** Stored weights that come from outside of a module. */
export interface WeightsPlace {
  readonly file: string;
  /** First byte in the file. Default 0. */
  readonly at?: number;
  readonly bytes: number;
  /** Their address before `initialize`. */
  readonly offset: number;
}

/** All that the shipped runtime must know of a model. Plain JSON, written into `model.mjs`. */
export interface Setup {
  readonly name: string;
  /** `[1, H, W, C]`. */
  readonly input: readonly number[];
  readonly classes: number;
  /** Most threads. */
  readonly threads: number;
  readonly relaxed?: Build;
  /** In `model.mjs` without what is the same in `relaxed`. */
  readonly plain?: Build;
  readonly preprocessing: Preprocessing;
}

/** Custom section of a module that holds its class names, as a JSON array. */
export const labelsSection = "depthwise.labels";
