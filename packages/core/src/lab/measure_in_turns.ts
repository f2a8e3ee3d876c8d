import { compile } from "../compiler/compile.ts";
import { OptionError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { seededRandom, shuffled } from "../random.ts";
import type { Compiled } from "../runtime/manifest.ts";
import { load, type Model } from "../runtime/model.ts";
import { stepKey } from "./latency_model.ts";
import { timingWeights } from "./timing_weights.ts";

/** Something to be measured. */
export interface Contender {
  /** Unique among all that are measured together. */
  readonly name: string;
  /** Built when it is needed: there may be many, and large ones. */
  readonly graph: () => Graph;
  /** Default 1. */
  readonly threads?: number;
  /** Whether the compiler fuses elementwise work into convolutions, and runs chains of layers band by band. Default true. */
  readonly fuse?: boolean;
  /** A build with clocks, that gives the time of every step too. Default false. */
  readonly profile?: boolean;
  /** Takes part in the first so many sessions only. Default: in all. */
  readonly sessions?: number;
}

/** How labs measure. */
export interface MeasuringOptions {
  /**
   * Times that everything is loaded anew and measured: what changes between runs of a program, the memory's places and how busy the
   * machine is, changes between sessions too. At least 1.
   */
  readonly sessions: number;
  /** In each session, turns of each contender. */
  readonly rounds: number;
  /** Of the order in which contenders run. */
  readonly seed: number;
  /** Milliseconds of runs before any is timed: engines optimise what has run for a while. */
  readonly warmUp: number;
  /**
   * No session begins that would likely end later than so many seconds after the start; three are measured in any case, if as many are wanted.
   * Default: as long as it takes.
   */
  readonly seconds?: number | undefined;
  /** Hears of the work, as a share from 0 to 1. */
  readonly onProgress?: ((share: number, what: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds of one contender. */
export interface Samples {
  readonly name: string;
  /** By session, then by round: sample `r` of every contender of a group was taken in the same round. */
  readonly milliseconds: readonly (readonly number[])[];
  /** The contender whose module is the same, byte by byte, and that was measured for both. */
  readonly sameAs?: string;
  /** Threads that it ran on. */
  readonly threads: number;
  /** Steps of the module and their milliseconds, a list of sessions of rounds: of contenders with `profile`. */
  readonly steps?: readonly StepSamples[];
}

/** A step of a module, as the latency model knows it. */
export interface StepSamples {
  readonly key: string;
  readonly name: string;
  readonly op: string;
  readonly macs: number;
  /** In every round. */
  readonly milliseconds: readonly number[];
}

/** Fewer sessions say too little about the next one. */
const fewestSessions = 3;

/** Bytes of modules kept between sessions; what is beyond is compiled again. */
const keptBytes = 512e6;

/**
 * Measures contenders in turns. A session loads each group anew and lets its contenders run in rounds, each once a round, in an order
 * drawn for each round: what disturbs the machine disturbs all of them. A turn is a few runs in a row, of which the fastest counts: being
 * interrupted says nothing about a network. Sessions follow each other over the whole time, all groups in
 * each, so that slow changes of the machine show as differences between sessions.
 *
 * @param groups what is compared with each other is in one group
 * @throws {OptionError} for no sessions or no rounds, or a name used twice
 */
export async function measureInTurns(
  groups: readonly (readonly Contender[])[],
  options: MeasuringOptions,
): Promise<ReadonlyMap<string, Samples>> {
  check(groups, options);
  const { sessions, rounds, seed, seconds = Number.POSITIVE_INFINITY, signal, onProgress = () => {} } = options;
  const start = performance.now();
  const store = moduleStore();
  const records = new Map<string, Recording>();
  const random = seededRandom(seed, "turns");
  const work = sessions * groups.reduce((sum, group) => sum + group.length, 0);
  let done = 0;
  for (let session = 0; session < sessions; session++) {
    const expected = ((performance.now() - start) / 1000) * (1 + 1 / Math.max(session, 1));
    if (session >= fewestSessions && expected > seconds) break;
    for (const group of shuffled(groups, random.below)) {
      const entrants: Entrant[] = [];
      try {
        for (const contender of group) {
          signal?.throwIfAborted();
          onProgress(done / work, contender.name);
          if (session < (contender.sessions ?? sessions)) {
            await enter(contender, entrants, records, store, options.warmUp);
            await breathe();
          }
          done += 0.5;
        }
        for (let round = 0; round < rounds; round++) {
          signal?.throwIfAborted();
          for (const entrant of shuffled(entrants, random.below)) record(entrant, session);
          await breathe();
        }
        done += group.length / 2;
        onProgress(done / work, group[0]?.name ?? "");
      } finally {
        for (const { model } of entrants) model.dispose();
      }
    }
  }
  return new Map([...records].map(([name, recording]) => [name, samplesOf(name, recording, records)]));
}

function check(groups: readonly (readonly Contender[])[], { sessions, rounds }: MeasuringOptions): void {
  for (const [name, value] of Object.entries({ sessions, rounds })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new OptionError(`${name}: expected a whole number from 1 up, received ${value}.`);
  }
  const names = groups.flat().map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new OptionError(`Two contenders are named "${twice}".`);
}

/** What was measured of one contender so far. */
interface Recording {
  readonly milliseconds: number[][];
  readonly profiles: (readonly number[])[];
  readonly steps: readonly Omit<StepSamples, "milliseconds">[];
  readonly threads: number;
  /** Its module is that of this contender. */
  readonly sameAs: string | undefined;
}

interface Entrant {
  readonly name: string;
  readonly compiled: Compiled;
  readonly model: Model;
  readonly recording: Recording;
  readonly turn: Turn;
}

/** Loads and warms a contender, unless another one of the group has the very same module. */
async function enter(
  contender: Contender,
  entrants: Entrant[],
  records: Map<string, Recording>,
  store: ModuleStore,
  warmUp: number,
): Promise<void> {
  const { name, threads = 1 } = contender;
  const known = records.get(name);
  if (known?.sameAs !== undefined) return;
  const compiled = store.compile(contender);
  const twin = entrants.find((entrant) => entrant.recording.threads === threads && isSame(entrant.compiled, compiled));
  if (twin !== undefined) {
    records.set(name, { milliseconds: [], profiles: [], steps: [], threads, sameAs: twin.name });
    return;
  }
  const model = await load(compiled, { threads, warn: () => {} });
  const { steps } = compiled.manifest;
  const recording = known ?? {
    milliseconds: [],
    profiles: [],
    steps:
      contender.profile === true
        ? steps.map((step) => ({ key: stepKey(step), name: step.name, op: step.op, macs: step.macs }))
        : [],
    threads: model.threads,
    sameAs: undefined,
  };
  records.set(name, recording);
  fillInputs(model);
  const milliseconds = await warm(model, warmUp);
  entrants.push({ name, compiled, model, recording, turn: turnOf(milliseconds) });
}

function isSame(a: Compiled, b: Compiled): boolean {
  return a.bytes.length === b.bytes.length && a.bytes.every((byte, index) => byte === b.bytes[index]);
}

/** Numbers as a normalised picture has them. */
export function fillInputs(model: Model): void {
  for (const { name } of model.manifest.inputs) {
    const floats = model.input(name);
    for (let i = 0; i < floats.length; i++) floats[i] = ((i * 2_654_435_761) % 4096) / 1024 - 2;
  }
}

const fewestWarmRuns = 3;

/** Runs until the engine has optimised; returns about how long a run takes, in milliseconds. */
async function warm(model: Model, milliseconds: number): Promise<number> {
  const start = performance.now();
  for (let run = 0; run < fewestWarmRuns || performance.now() - start < milliseconds; run++) {
    model.execute();
    if (run % 16 === 15) await breathe();
  }
  const repeats = 3;
  return Math.min(timeOf(model, repeats), timeOf(model, repeats));
}

/** What a contender does when it is its turn. */
interface Turn {
  /** Timings, of which the fastest counts. */
  readonly timings: number;
  /** Runs in each timing. */
  readonly repeats: number;
}

/** A turn lasts about so long, within two and a dozen timings: as long as a system lets a process run before another has its turn. */
const turnMilliseconds = 12;
const fewestTimings = 2;
const mostTimings = 12;

/** Clocks of pages go in steps of 0.005 to 0.1 milliseconds: what is timed at once takes many of them. */
const leastTiming = 0.5;
const mostRepeats = 100;

function turnOf(milliseconds: number): Turn {
  const repeats = Math.min(mostRepeats, Math.max(1, Math.ceil(leastTiming / milliseconds)));
  const timings = Math.ceil(turnMilliseconds / (repeats * milliseconds));
  return { repeats, timings: Math.min(mostTimings, Math.max(fewestTimings, timings)) };
}

/** Below what any clock can tell; a time of 0 would make ratios infinite. */
const leastTime = 1e-6;

/** Milliseconds of a run, from several in a row. */
function timeOf(model: Model, repeats: number): number {
  const start = performance.now();
  for (let run = 0; run < repeats; run++) model.execute();
  return Math.max(leastTime, (performance.now() - start) / repeats);
}

/** One turn: a few timings, of which the fastest counts. The others may have been interrupted, or found the caches full of others' numbers. */
function record({ model, recording, turn }: Entrant, session: number): void {
  let fastest = Number.POSITIVE_INFINITY;
  let profile: readonly number[] = [];
  for (let timing = 0; timing < turn.timings; timing++) {
    const time = timeOf(model, turn.repeats);
    if (time >= fastest) continue;
    fastest = time;
    if (recording.steps.length > 0) profile = model.profile().map(({ milliseconds }) => milliseconds);
  }
  while (recording.milliseconds.length <= session) recording.milliseconds.push([]);
  recording.milliseconds[session]?.push(fastest);
  if (recording.steps.length > 0) recording.profiles.push(profile);
}

function samplesOf(name: string, own: Recording, records: ReadonlyMap<string, Recording>): Samples {
  const { milliseconds, steps, profiles } = own.sameAs === undefined ? own : (records.get(own.sameAs) ?? own);
  return {
    name,
    milliseconds,
    threads: own.threads,
    ...(own.sameAs === undefined ? {} : { sameAs: own.sameAs }),
    ...(steps.length === 0
      ? {}
      : {
          steps: steps.map((step, index) => ({
            ...step,
            milliseconds: profiles.map((profile) => profile[index] ?? 0),
          })),
        }),
  };
}

interface ModuleStore {
  compile(contender: Contender): Compiled;
}

/** Compiles, and keeps what fits for the next session. */
function moduleStore(): ModuleStore {
  const kept = new Map<string, Compiled>();
  let bytes = 0;
  return {
    compile({ name, graph, threads = 1, fuse = true, profile = false }) {
      const known = kept.get(name);
      if (known !== undefined) return known;
      const built = graph();
      const compiled = compile(built, { weights: timingWeights(built), threads, fuse, bands: fuse, profile });
      if (bytes + compiled.bytes.length <= keptBytes) {
        bytes += compiled.bytes.length;
        kept.set(name, compiled);
      }
      return compiled;
    },
  };
}

/** Lets signals, timers and drawing in. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
