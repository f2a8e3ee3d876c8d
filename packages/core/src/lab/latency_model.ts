import type { StepManifest } from "../runtime/manifest.ts";
import { median } from "../statistics.ts";
import type { LabDevice } from "./lab.ts";

/** Milliseconds of steps on one device: a step is what its kernels are, whatever network it stands in. Plain JSON. */
export interface LatencyTable {
  readonly format: 1;
  /** What it holds for: another processor, engine or version of the compiler has other times or other kernels. */
  readonly device: Pick<LabDevice, "processor" | "engine" | "version">;
  readonly threads: number;
  readonly steps: Readonly<Record<string, StepLatency>>;
}

/** What is known of a step. */
export interface StepLatency {
  readonly op: string;
  readonly macs: number;
  /** Median over all the times that it was seen. */
  readonly milliseconds: number;
  /** How often that was. */
  readonly samples: number;
}

/** A prediction for a whole network. */
export interface LatencyPrediction {
  readonly milliseconds: number;
  /** Share of it that comes from steps that were measured; the rest is estimated from steps of the same operation. */
  readonly knownShare: number;
}

/** What the model must know of a step of a module's manifest. */
type MeasuredStep = Pick<StepManifest, "op" | "macs" | "kernels" | "variant">;

/** Steps with the same kernels and variants do the same work: a kernel's name says everything about it but what it is called with. */
export function stepKey({ op, macs, kernels, variant }: MeasuredStep): string {
  return [op, macs, kernels.join("+"), ...(variant === undefined ? [] : [variant])].join(":");
}

/** A table from times of steps, as builds with clocks give them. */
export function latencyTable(
  device: LatencyTable["device"],
  threads: number,
  samples: readonly {
    readonly key: string;
    readonly op: string;
    readonly macs: number;
    readonly milliseconds: readonly number[];
  }[],
): LatencyTable {
  const byKey = new Map<string, { op: string; macs: number; times: number[] }>();
  for (const { key, op, macs, milliseconds } of samples) {
    const known = byKey.get(key) ?? { op, macs, times: [] };
    known.times.push(...milliseconds);
    byKey.set(key, known);
  }
  const steps = [...byKey].map(([key, { op, macs, times }]): [string, StepLatency] => [
    key,
    { op, macs, milliseconds: median(times), samples: times.length },
  ]);
  const { processor, engine, version } = device;
  return { format: 1, device: { processor, engine, version }, threads, steps: Object.fromEntries(steps) };
}

/** The table with the steps of another one of the same device added; where both know a step, the newer one counts. */
export function mergeLatencyTables(older: LatencyTable, newer: LatencyTable): LatencyTable {
  return { ...newer, steps: { ...older.steps, ...newer.steps } };
}

/**
 * Predicts a network's milliseconds: the sum of its steps. One that the table does not know is taken to be as fast, by its
 * multiply-accumulates, as the median of the three known steps of the same operation that are nearest in size.
 *
 * @param steps of the compiled network's manifest
 */
export function predictLatency(table: LatencyTable, steps: readonly MeasuredStep[]): LatencyPrediction {
  let [known, unknown] = [0, 0];
  for (const step of steps) {
    const found = table.steps[stepKey(step)];
    if (found !== undefined) known += found.milliseconds;
    else unknown += estimateStep(table, step);
  }
  const milliseconds = known + unknown;
  return { milliseconds, knownShare: milliseconds === 0 ? 1 : known / milliseconds };
}

/** Neighbours that an unknown step is estimated from. */
const fewest = 3;

function estimateStep({ steps }: LatencyTable, { op, macs }: MeasuredStep): number {
  const same = Object.values(steps).filter((each) => each.op === op);
  if (macs === 0) return median(same.map(({ milliseconds }) => milliseconds)) || 0;
  const nearest = same
    .filter((each) => each.macs > 0)
    .toSorted((a, b) => Math.abs(Math.log(a.macs / macs)) - Math.abs(Math.log(b.macs / macs)))
    .slice(0, fewest);
  return macs * (median(nearest.map(({ milliseconds, macs: work }) => milliseconds / work)) || 0);
}
