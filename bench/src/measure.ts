import { build, describe } from "@depthwise/core";
import { seededRandom, shuffled } from "../../packages/core/src/random.ts";
import { median } from "../../packages/core/src/statistics.ts";
import type { CeilingName } from "./ceilings.ts";
import { compareOutputs, TOLERANCE } from "./compare.ts";
import type { Answers } from "./messages.ts";
import type { PeerClient } from "./peer_client.ts";
import { type PeerChoice, peerVersion } from "./peers/peers.ts";
import type { Place } from "./place.ts";
import { type Interval, ratioOfMedians } from "./statistics.ts";

/** One peer's numbers for one network. Times in milliseconds. */
export interface PeerResult {
  readonly peer: string;
  readonly version: string;
  readonly loadMs: number;
  readonly firstRunMs: number;
  /** Largest difference from the first peer's output, relative to its largest value. */
  readonly difference: number;
  /** By round, each run. */
  readonly samples: readonly (readonly number[])[];
  /** Of the rounds' medians. */
  readonly medianMs: number;
  /** This peer's time over the first one's. */
  readonly ratio: Interval;
  readonly gigamacsPerSecond: number;
  /** Share of one thread's relaxed multiply-add ceiling. */
  readonly shareOfCeiling: number;
}

/** Why a peer was not measured. */
export interface PeerFailure {
  readonly peer: string;
  readonly error: string;
}

/** All numbers for one network. */
export interface ModelResult {
  readonly model: string;
  /** Where it ran. */
  readonly engine: string;
  readonly macs: number;
  /** 10^9 multiply-accumulates a second, one measurement a round; of 256 bits where a peer has them. */
  readonly ceilings: Readonly<Record<CeilingName, readonly number[]>>;
  readonly results: readonly PeerResult[];
  readonly failures: readonly PeerFailure[];
}

/** How to measure. */
export interface MeasureOptions {
  readonly place: Place;
  readonly peers: readonly PeerChoice[];
  readonly threads: number;
  readonly rounds: number;
  /** Hears what is done, for a person who waits. */
  readonly onProgress: (text: string) => void;
}

/** A peer that is loaded and agrees. */
interface Contestant {
  readonly client: PeerClient;
  readonly loaded: Answers["load"];
  readonly version: string;
  readonly difference: number;
  runsPerTurn: number;
  readonly samples: (readonly number[])[];
}

/** Engines optimise what runs often: V8 has done so within a second for every peer here. */
const WARM_UP_MS = 1500;
/** A turn lasts about this long: enough for several runs, short enough for many rounds. */
const TURN_MS = 80;
const WARM_UP_RUNS = 3;
const MOST_RUNS = 50;
/** What runs longer than this is not disturbed by cold caches: one run is a turn. */
const LONG_RUN_MS = 500;
const CEILING_MS = 10;

/** Measures one network on all peers in turns. Outputs are compared before anything is timed; who disagrees is not timed. */
export async function measureModel(model: string, options: MeasureOptions): Promise<ModelResult> {
  using stack = new DisposableStack();
  const failures: PeerFailure[] = [];
  const contestants: Contestant[] = [];
  let reference: Float32Array | undefined;
  for (const choice of options.peers) {
    options.onProgress(`${model}: ${choice.name} loads`);
    const client = stack.use(options.place.start(choice));
    try {
      const threads = choice.threads ?? options.threads;
      const loaded = await client.ask({ ask: "load", model, threads, profile: false });
      const { output } = await client.ask({ ask: "output" });
      reference ??= output;
      const difference = compareOutputs(reference, output);
      if (!(difference <= TOLERANCE)) {
        throw new Error(
          `its output differs from ${options.peers[0]?.name}'s by ${difference} of the largest value; ${TOLERANCE} is allowed.`,
        );
      }
      contestants.push({ client, loaded, version: peerVersion(choice), difference, runsPerTurn: 1, samples: [] });
    } catch (error) {
      failures.push({ peer: choice.name, error: error instanceof Error ? error.message : String(error) });
    }
  }
  for (const contestant of contestants) {
    options.onProgress(`${model}: ${contestant.client.name} warms up`);
    contestant.runsPerTurn = await warmUp(contestant.client);
  }
  const ceilings = await takeTurns(model, contestants, options);
  const { macs } = describe(build(model));
  return {
    model,
    engine: options.place.engine,
    macs,
    ceilings,
    results: summarise(contestants, macs, ceilings.relaxed),
    failures,
  };
}

/** Runs until the engine has optimised; returns how many runs make a turn. */
async function warmUp(client: PeerClient): Promise<number> {
  const start = performance.now();
  let last = 0;
  do {
    const { milliseconds } = await client.ask({ ask: "turn", runs: last > LONG_RUN_MS ? 1 : WARM_UP_RUNS });
    last = median(milliseconds);
  } while (performance.now() - start < WARM_UP_MS);
  return last > LONG_RUN_MS ? 1 : Math.min(Math.max(Math.round(TURN_MS / last), 2), MOST_RUNS);
}

async function takeTurns(
  model: string,
  contestants: readonly Contestant[],
  { place, peers, rounds, onProgress }: MeasureOptions,
): Promise<ModelResult["ceilings"]> {
  const measured: Record<CeilingName, number[]> = { relaxed: [], plain: [], wide: [] };
  const ceilingTurn = (name: CeilingName) => async (): Promise<void> => {
    measured[name].push(await place.ceiling(name, CEILING_MS));
  };
  const turns = [
    ceilingTurn("relaxed"),
    ceilingTurn("plain"),
    ...(peers.some(({ wide }) => wide) ? [ceilingTurn("wide")] : []),
    ...contestants.map((contestant) => () => takeTurn(contestant)),
  ];
  const random = seededRandom(0, "turns");
  for (let round = 0; round < rounds; round++) {
    onProgress(`${model}: round ${round + 1} of ${rounds}`);
    for (const turn of shuffled(turns, random.below)) await turn();
  }
  return measured;
}

async function takeTurn({ client, runsPerTurn, samples }: Contestant): Promise<void> {
  // The first run fetches back what the others drove out of the caches: it is not a sample.
  const untimed = runsPerTurn > 1 ? 1 : 0;
  const { milliseconds } = await client.ask({ ask: "turn", runs: runsPerTurn + untimed });
  samples.push(milliseconds.slice(untimed));
}

function summarise(
  contestants: readonly Contestant[],
  macs: number,
  ceiling: readonly number[],
): readonly PeerResult[] {
  const mediansOf = ({ samples }: Contestant): readonly number[] => samples.map(median);
  return contestants.map((contestant) => {
    const medians = mediansOf(contestant);
    const medianMs = median(medians);
    const gigamacsPerSecond = macs / medianMs / 1e6;
    return {
      peer: contestant.client.name,
      version: contestant.version,
      ...contestant.loaded,
      difference: contestant.difference,
      samples: contestant.samples,
      medianMs,
      ratio: ratioOfMedians(medians, mediansOf(contestants[0] as Contestant)),
      gigamacsPerSecond,
      shareOfCeiling: gigamacsPerSecond / median(ceiling),
    };
  });
}
