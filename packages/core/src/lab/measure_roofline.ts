import { compile } from "../compiler/compile.ts";
import { createCeiling } from "../compiler/measure_ceiling.ts";
import { type DescribedNetwork, describe } from "../cost/describe.ts";
import { OptionError } from "../errors.ts";
import { nodesOf } from "../graph/graph.ts";
import { load, type Model } from "../runtime/model.ts";
import { median } from "../statistics.ts";
import { bandwidthCurve, createBandwidth, memoryLevels, workingSets } from "./measure_bandwidth.ts";
import { breathe, fillInputs } from "./measure_in_turns.ts";
import { type DeviceCeilings, type Roofline, rooflineOf } from "./roofline.ts";
import { timingWeights } from "./timing_weights.ts";

/** Options of {@link measureRoofline}. */
export interface RooflineOptions {
  /** Times that everything is measured. Default 20. */
  readonly rounds?: number | undefined;
  /** Milliseconds of runs before any is timed: engines optimise what has run for a while. Default 300. */
  readonly warmUp?: number | undefined;
  /** Hears of the work, as a share from 0 to 1. */
  readonly onProgress?: ((share: number, what: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Holds every node of a network against what one thread of this device can do. In each round: the ceiling of multiply-adds, the reading
 * speed of working sets of all sizes, then the network, with clocks between its nodes; medians over the rounds. The network is
 * compiled without bands of rows, so that each node has a time of its own.
 *
 * @throws {OptionError} for `rounds` that is no whole number from 1 up
 */
export async function measureRoofline(subject: DescribedNetwork, options: RooflineOptions = {}): Promise<Roofline> {
  const { rounds = 20, warmUp = 300, onProgress = () => {}, signal } = options;
  if (!Number.isSafeInteger(rounds) || rounds < 1)
    throw new OptionError(`rounds: expected a whole number from 1 up, received ${rounds}.`);
  const { graph } = subject;
  const compiled = compile(graph, { weights: timingWeights(graph), bands: false, profile: true });
  const [ceiling, bandwidth] = [await createCeiling(compiled.manifest.simd), await createBandwidth()];
  const model = await load(compiled);
  const [peaks, speeds, profiles]: [number[], number[][], (readonly number[])[]] = [[], [], []];
  try {
    fillInputs(model);
    await warm(model, warmUp);
    for (let round = 0; round < rounds; round++) {
      signal?.throwIfAborted();
      peaks.push(ceiling.measure());
      speeds.push(workingSets.map((bytes) => bandwidth.measure(bytes)));
      // The large sets have pushed the network out of the caches: the first run brings it back.
      model.execute();
      model.execute();
      profiles.push(model.profile().map(({ milliseconds }) => milliseconds));
      onProgress((round + 1) / rounds, "measuring against the ceilings");
      await breathe();
    }
  } finally {
    model.dispose();
  }
  const curve = bandwidthCurve(workingSets, speeds);
  const ceilings: DeviceCeilings = {
    gigamacsPerSecond: median(peaks),
    bandwidth: curve,
    levels: memoryLevels(curve),
  };
  const steps = compiled.manifest.steps.map((step, i) => ({
    ...step,
    milliseconds: median(profiles.map((profile) => profile[i] ?? 0)),
  }));
  return rooflineOf(describe(subject), steps, ceilings, nodesOf(graph, "input")[0]?.shape[0] ?? 1);
}

async function warm(model: Model, milliseconds: number): Promise<void> {
  const start = performance.now();
  for (let run = 0; run < 3 || performance.now() - start < milliseconds; run++) {
    model.execute();
    await breathe();
  }
}
