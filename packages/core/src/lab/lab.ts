import type { Finding, PageSection } from "../plot/page.ts";
import type { MeasuringOptions, Samples } from "./measure_in_turns.ts";
import type { Estimate } from "./statistics.ts";

/** The labs, in the order of the booklet. */
export type LabName = "guidelines" | "table8" | "manifold" | "ideas" | "flops";
export const labNames: readonly LabName[] = ["guidelines", "table8", "manifold", "ideas", "flops"];

/** Where something was measured. */
export interface LabDevice {
  /** The processor, as the system names it. */
  readonly processor: string;
  /** `Node 24.2.0`, `Chromium 140`. */
  readonly engine: string;
  /** Threads that the host can run at once. */
  readonly threads: number;
  /** Of Depthwise. */
  readonly version: string;
  /** When, as ISO 8601. */
  readonly date: string;
}

/** Options of every lab. What is left out has the lab's own default. */
export interface LabOptions {
  readonly device: LabDevice;
  /** Default 0. */
  readonly seed?: number | undefined;
  /** Times that everything is loaded anew and measured. */
  readonly sessions?: number | undefined;
  /** Turns of each network in a session. */
  readonly rounds?: number | undefined;
  /** Seconds after which no further session begins, once there were three. */
  readonly seconds?: number | undefined;
  /** Milliseconds of runs before any is timed. */
  readonly warmUp?: number | undefined;
  /** Hears of the work, as a share from 0 to 1. */
  readonly onProgress?: ((share: number, what: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A figure of a result that can be compared with the same one of another device. */
export interface LabFigure {
  /** Unique in the result, the same in every run: `widths/x1/1 thread/1:12/speed`. */
  readonly id: string;
  readonly unit: "ms" | "ratio" | "share" | "correlation";
  readonly value: number;
  /** Where another run on the same device would come out, 95 times in 100. */
  readonly low: number;
  readonly high: number;
}

/** What a lab found: plain JSON, raw samples included. */
export interface LabResult<Name extends LabName = LabName, Data = unknown> {
  readonly lab: Name;
  /** Of this document. */
  readonly format: 1;
  readonly device: LabDevice;
  readonly settings: Readonly<Record<string, number | string | readonly number[]>>;
  /** What it took. */
  readonly seconds: number;
  readonly findings: readonly Finding[];
  readonly figures: readonly LabFigure[];
  /** What the report is made of. */
  readonly data: Data;
  /** Every time that was taken. */
  readonly samples: readonly Samples[];
}

/** How a lab is shown. */
export interface LabReport {
  readonly title: string;
  readonly lead: string;
  readonly sections: readonly PageSection[];
}

/** The options with a lab's defaults. */
export function measuringOptions(
  options: LabOptions,
  defaults: {
    readonly sessions: number;
    readonly rounds: number;
    readonly warmUp: number;
    readonly seconds: number;
  },
): MeasuringOptions {
  return {
    sessions: options.sessions ?? defaults.sessions,
    rounds: options.rounds ?? defaults.rounds,
    warmUp: options.warmUp ?? defaults.warmUp,
    seed: options.seed ?? 0,
    // Who asks for a number of sessions gets it.
    seconds: options.seconds ?? (options.sessions === undefined ? defaults.seconds : undefined),
    onProgress: options.onProgress,
    signal: options.signal,
  };
}

/** What a result says of how it was measured. */
export function measuringSettings(
  { rounds, warmUp, seed }: MeasuringOptions,
  samples: ReadonlyMap<string, Samples>,
): { readonly sessions: number; readonly rounds: number; readonly warmUp: number; readonly seed: number } {
  const [first] = samples.values();
  return { sessions: first?.milliseconds.length ?? 0, rounds, warmUp, seed };
}

/** One thread, and all of the device. */
export function threadCounts({ threads }: LabDevice): readonly number[] {
  return threads > 1 ? [1, threads] : [1];
}

/** `1 thread`, `2 threads`. */
export function threadWords(threads: number): string {
  return threads === 1 ? "1 thread" : `${threads} threads`;
}

/** A figure of a result. */
export function figure(id: string, unit: LabFigure["unit"], { value, low, high }: Estimate): LabFigure {
  return { id, unit, value, low, high };
}
