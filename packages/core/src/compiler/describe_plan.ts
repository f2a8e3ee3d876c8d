import type { Graph } from "../graph/graph.ts";
import type { StepManifest } from "../runtime/manifest.ts";
import { planArena } from "./arena.ts";
import { type CompiledSubject, type CompileOptions, planNetwork } from "./compile.ts";
import { describeStep } from "./emit.ts";
import { type Buffer, imageBytes } from "./layout.ts";
import type { Step } from "./plan.ts";

/** A block of memory for activations. */
export interface PlannedBuffer {
  readonly name: string;
  /** Rows, columns and floats of a pixel; in a band, of its rows only. */
  readonly shape: readonly [height: number, width: number, channels: number];
  /** With its border, and one for each thread where threads have their own. */
  readonly bytes: number;
  /** From the arena's start. */
  readonly offset: number;
}

/** What runs between two meetings of the threads. */
export interface PlannedStep extends StepManifest {
  /** Indices of the plan's buffers. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** The nodes that run band by band, and how many rows of the output a band has; null for other steps. */
  readonly bands: { readonly rows: number; readonly of: number; readonly nodes: readonly string[] } | null;
}

/** What the compiler makes of a network, before it is code. */
export interface Plan {
  readonly name: string;
  readonly steps: readonly PlannedStep[];
  readonly buffers: readonly PlannedBuffer[];
  /** Bytes of activations, and the most that are alive at once: no arena can be smaller. */
  readonly arenaBytes: number;
  readonly arenaLowerBound: number;
  /** Sums over the steps. */
  readonly movedBytes: number;
  readonly movedBytesWithoutBands: number;
}

/**
 * How a network would run if it were compiled with these options: its steps, which of them run band by band, where activations lie, and
 * how many bytes move.
 *
 * @throws what `compile` throws
 */
export function describePlan(network: CompiledSubject | Graph, options: CompileOptions = {}): Plan {
  const { lowered } = planNetwork(network, options);
  const { offsets, bytes, lowerBound } = planArena(lowered);
  const buffers = [...offsets.keys()].sort((a, b) => a.id - b.id);
  const indices = new Map(buffers.map((buffer, index) => [buffer, index]));
  const indicesOf = (some: readonly Buffer[]) => [...new Set(some)].map((buffer) => indices.get(buffer) as number);
  const steps = lowered.steps.map((step) => ({
    ...describeStep(step),
    reads: indicesOf(step.reads),
    writes: indicesOf(step.writes),
    bands: bandsOf(step),
  }));
  return {
    name: network.name,
    steps,
    buffers: buffers.map((buffer) => describeBuffer(buffer, offsets.get(buffer) as number)),
    arenaBytes: bytes,
    arenaLowerBound: lowerBound,
    movedBytes: steps.reduce((sum, step) => sum + step.movedBytes, 0),
    movedBytesWithoutBands: steps.reduce((sum, step) => sum + step.movedBytesWithoutBands, 0),
  };
}

function bandsOf({ bands }: Step): PlannedStep["bands"] {
  return bands ? { rows: bands.rows, of: bands.height, nodes: bands.steps.map(({ name }) => name) } : null;
}

function describeBuffer(buffer: Buffer, offset: number): PlannedBuffer {
  const { name, height, width, stride, images } = buffer;
  return { name, shape: [height, width, stride], bytes: imageBytes(buffer) * images, offset };
}
