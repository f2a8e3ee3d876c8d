import {
  type Compiled,
  type CompileOptions,
  compile,
  createCeiling,
  load,
  type Model,
  median,
  type Network,
  OptionError,
  type StepTime,
  type Tuning,
  type Weights,
} from "@depthwise/core";
import { type Spread, spreadOf } from "./statistics.ts";

/** A network to be measured. */
export interface Subject {
  readonly network: Network;
  /** Default: drawn from seed 0. The time does not depend on them. */
  readonly weights?: Weights;
  /** Choices that were measured on this machine. Default: the compiler's model. */
  readonly tuning?: Tuning;
}

/** Options of {@link measureModels}. */
export interface MeasureOptions {
  /** Default 1. */
  readonly threads?: number;
  /** Timed runs of each model. Default 30. */
  readonly runs?: number;
  /** Compile for 256-bit vectors, which takes an experimental flag of V8 that holds for the whole process. Default false. */
  readonly wide?: boolean;
  /** Measure each layer too, by a second build with clocks between the layers. Default false. */
  readonly layers?: boolean;
  /** Hears of the work: `done` of `total` steps. */
  readonly onProgress?: (done: number, total: number, what: string) => void;
}

/** One layer's part of the time. */
export interface LayerTime {
  readonly name: string;
  readonly op: string;
  /** Median. */
  readonly milliseconds: number;
  /** Of the sum over all layers. */
  readonly share: number;
  readonly gigamacsPerSecond: number;
}

/** What was measured of one model. */
export interface Measurement {
  readonly name: string;
  /** How many threads it ran on: fewer than asked for where the host has no shared memory. */
  readonly threads: number;
  /** Of a run: input in, output out. */
  readonly milliseconds: Spread;
  /** At the median; 10^9 multiply-accumulates a second. */
  readonly gigamacsPerSecond: number;
  /** Of the multiply-adds that the 128-bit ceiling, measured in the same turns, allows as many threads. */
  readonly shareOfPeak: number;
  /** The ceiling of one thread, 10^9 multiply-accumulates a second. */
  readonly peakGigamacsPerSecond: number;
  readonly simd: "relaxed" | "plain";
  readonly wide: boolean;
  /** Whether it was compiled with choices measured on this machine. */
  readonly tuned: boolean;
  /** Of the WebAssembly module without its weights. */
  readonly moduleBytes: number;
  readonly weightBytes: number;
  /** Memory of activations. */
  readonly arenaBytes: number;
  /** From graph and weights to the module's bytes. */
  readonly compileMilliseconds: number;
  /** The first run after loading, before the engine has optimised anything. */
  readonly firstRunMilliseconds: number;
  /** In the order they run. */
  readonly layers?: readonly LayerTime[];
}

/** A model and what was measured so far. */
interface Entrant {
  readonly subject: Subject;
  readonly compiled: Compiled;
  readonly compileMilliseconds: number;
  readonly model: Model;
  readonly firstRunMilliseconds: number;
  readonly input: Float32Array;
  readonly times: number[];
  /** Of the build with clocks. */
  readonly profiled: Model | undefined;
  readonly profiles: (readonly StepTime[])[];
}

/** Milliseconds of runs before any is timed, and how many at least: engines optimise what has run for a while. */
const warmUp = { milliseconds: 300, runs: 3 };

/**
 * Measures models in turns: in every round each model runs once, and the ceiling of this machine once, forwards in one round and
 * backwards in the next. So what disturbs the machine disturbs all alike.
 *
 * @throws {OptionError} if there is nothing to measure, or `runs` or `threads` are no whole numbers from 1 up
 */
export async function measureModels(
  subjects: readonly Subject[],
  options: MeasureOptions = {},
): Promise<readonly Measurement[]> {
  const { threads = 1, runs = 30, wide = false, layers = false, onProgress = () => {} } = options;
  if (subjects.length === 0) throw new OptionError("There is no model to measure.");
  for (const [name, value] of Object.entries({ threads, runs })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new OptionError(`${name}: expected a whole number from 1 up, received ${value}.`);
  }
  const total = subjects.length + (layers ? 2 : 1) * runs;
  const entrants: Entrant[] = [];
  try {
    for (const subject of subjects) {
      onProgress(entrants.length, total, `preparing ${subject.network.name}`);
      entrants.push(
        await prepare({ weights: subject.weights, tuning: subject.tuning, threads, wide }, subject, layers),
      );
    }
    const simd = (entrants[0] as Entrant).compiled.manifest.simd;
    const ceiling = await createCeiling(simd);
    const peaks: number[] = [];
    const timed = entrants.map(
      ({ model, input, times }) =>
        () =>
          void times.push(timeOf(() => model.run({ input }))),
    );
    await takeTurns([...timed, () => void peaks.push(ceiling.measure())], runs, (done) =>
      onProgress(subjects.length + done, total, "measuring"),
    );
    // Afterwards, for in the turns above its second copy of the weights would push the first one out of the caches.
    await takeTurns(entrants.flatMap(clockedTurn), layers ? runs : 0, (done) =>
      onProgress(subjects.length + runs + done, total, "measuring layers"),
    );
    return entrants.map((entrant) => measurementOf(entrant, median(peaks)));
  } finally {
    for (const { model, profiled } of entrants) {
      model.dispose();
      profiled?.dispose();
    }
  }
}

async function prepare(options: CompileOptions, subject: Subject, layers: boolean): Promise<Entrant> {
  const { network } = subject;
  const start = performance.now();
  const compiled = compile(network, options);
  const compileMilliseconds = performance.now() - start;
  const model = await load(compiled);
  const input = inputFor(model);
  const firstRunMilliseconds = timeOf(() => model.run({ input }));
  await warm(() => model.run({ input }));
  const profiled = layers ? await load(compile(network, { ...options, profile: true })) : undefined;
  if (profiled !== undefined) await warm(() => profiled.run({ input }));
  return {
    subject,
    compiled,
    compileMilliseconds,
    model,
    firstRunMilliseconds,
    input,
    times: [],
    profiled,
    profiles: [],
  };
}

/** Numbers as a normalised picture has them, the same in every run. */
function inputFor({ manifest }: Model): Float32Array {
  const elements = manifest.inputs[0]?.elements ?? 0;
  return Float32Array.from({ length: elements }, (_, i) => ((i * 2_654_435_761) % 4096) / 1024 - 2);
}

function timeOf(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

async function warm(work: () => void): Promise<void> {
  const start = performance.now();
  for (let run = 0; run < warmUp.runs || performance.now() - start < warmUp.milliseconds; run++) {
    work();
    await breathe();
  }
}

/** Lets signals and timers in, and the engine hand over optimised code. */
function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Takes every turn once a round, forwards in one and backwards in the next. */
async function takeTurns(
  turns: readonly (() => void)[],
  rounds: number,
  onRound: (done: number) => void,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const turn of round % 2 === 0 ? turns : turns.toReversed()) {
      turn();
      await breathe();
    }
    onRound(round + 1);
  }
}

/** A run of the build with clocks, where there is one. */
function clockedTurn({ profiled, input, profiles }: Entrant): readonly (() => void)[] {
  if (profiled === undefined) return [];
  const turn = (): void => {
    profiled.run({ input });
    profiles.push(profiled.profile());
  };
  return [turn];
}

function measurementOf({ subject, compiled, ...entrant }: Entrant, peak: number): Measurement {
  const { manifest, bytes } = compiled;
  const { threads } = entrant.model;
  const milliseconds = spreadOf(entrant.times);
  const gigamacs = gigamacsPerSecond(manifest.macs * batchOf(compiled), milliseconds.median);
  return {
    name: subject.network.name,
    threads,
    milliseconds,
    gigamacsPerSecond: gigamacs,
    shareOfPeak: gigamacs / (peak * threads),
    peakGigamacsPerSecond: peak,
    simd: manifest.simd,
    wide: manifest.wide,
    tuned: subject.tuning !== undefined,
    moduleBytes: bytes.length - manifest.weightBytes,
    weightBytes: manifest.weightBytes,
    arenaBytes: manifest.arenaBytes,
    compileMilliseconds: entrant.compileMilliseconds,
    firstRunMilliseconds: entrant.firstRunMilliseconds,
    ...(entrant.profiles.length === 0 ? {} : { layers: layerTimes(entrant.profiles) }),
  };
}

/** Pictures in a run; the manifest's multiply-accumulates are those of one. */
function batchOf({ manifest }: Compiled): number {
  return manifest.inputs[0]?.shape[0] ?? 1;
}

function gigamacsPerSecond(macs: number, milliseconds: number): number {
  return milliseconds === 0 ? 0 : macs / milliseconds / 1e6;
}

function layerTimes(profiles: readonly (readonly StepTime[])[]): readonly LayerTime[] {
  const [first = []] = profiles;
  const medians = first.map((_, step) => median(profiles.map((profile) => (profile[step] as StepTime).milliseconds)));
  const sum = medians.reduce((a, b) => a + b, 0);
  return first.map(({ name, op, macs }, step) => {
    const milliseconds = medians[step] as number;
    return {
      name,
      op,
      milliseconds,
      share: sum === 0 ? 0 : milliseconds / sum,
      gigamacsPerSecond: gigamacsPerSecond(macs, milliseconds),
    };
  });
}
