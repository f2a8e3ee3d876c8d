import type { Description, LayerDescription } from "../cost/describe.ts";
import { OptionError } from "../errors.ts";
import type { StepManifest } from "../runtime/manifest.ts";
import type { BandwidthPoint, MemoryLevel } from "./measure_bandwidth.ts";

/** What a device can do at most, in the same minute as what is held against it. */
export interface DeviceCeilings {
  /** 10^9 multiply-accumulates a second, of one thread. */
  readonly gigamacsPerSecond: number;
  readonly bandwidth: readonly BandwidthPoint[];
  /** From the nearest to the furthest. */
  readonly levels: readonly MemoryLevel[];
}

/** Guidelines of ShuffleNet V2 (arXiv:1807.11164, section 2): equal widths, few groups, few fragments, few elementwise operations. */
export type Guideline = 1 | 2 | 3 | 4;

/** A guideline that a node breaks, and how. */
export interface Breach {
  readonly guideline: Guideline;
  /** `24 to 144 channels, 1:6`. */
  readonly reason: string;
}

/** One step of a network under the roof. */
export interface RooflineNode {
  /** The node, and what it took in: `stem+norm+relu6`. */
  readonly name: string;
  readonly op: string;
  /** Names of the generated functions that it calls. */
  readonly kernels: readonly string[];
  /** Median. */
  readonly milliseconds: number;
  /** Of the sum over all nodes. */
  readonly share: number;
  readonly macs: number;
  /** Bytes of activations and weights that it reads and writes: its working set. */
  readonly movedBytes: number;
  /** The level that holds them. */
  readonly level: string;
  /** Which of the two ceilings is the lower one for it. */
  readonly bound: "compute" | "memory";
  /** Milliseconds at that ceiling. */
  readonly leastMilliseconds: number;
  readonly shareOfCeiling: number;
  /** ShuffleNet V2's memory access cost of the convolution, in bytes; of other nodes, of the operation. 0 for what the compiler added. */
  readonly memoryAccessBytes: number;
  /** Of a 1x1 convolution: the least bytes for as many multiply-accumulates. */
  readonly lowerBoundBytes?: number;
  readonly breaches: readonly Breach[];
}

/** A network under the roof. */
export interface Roofline {
  readonly ceilings: DeviceCeilings;
  /** Sum over the nodes. */
  readonly milliseconds: number;
  /** Sum of what each would take at its ceiling. */
  readonly leastMilliseconds: number;
  /** In the order they run. */
  readonly nodes: readonly RooflineNode[];
}

/** Where a guideline begins to be broken. */
const limits = {
  /** Wider over narrower channels of a 1x1 convolution. */
  widths: 2,
  groups: 4,
  /** Convolutions and pools side by side in a block. */
  branches: 2,
  /** Share of the time that a node without multiply-accumulates takes. */
  elementwise: 0.01,
};

/** What is measured of a step: its entry in the manifest and its median milliseconds. */
export interface TimedStep extends StepManifest {
  readonly milliseconds: number;
}

/**
 * Holds each step against the lower of two ceilings: multiply-adds, and the bandwidth of the level that holds what it moves.
 *
 * @param steps of a module in which nothing runs in bands: a step a node; times of a whole batch
 * @throws {OptionError} for ceilings without levels
 */
export function rooflineOf(
  description: Description,
  steps: readonly TimedStep[],
  ceilings: DeviceCeilings,
  batch: number = 1,
): Roofline {
  const layers = new Map(description.layers.map((layer) => [layer.name, layer]));
  const blocks = blockOfLayers(description);
  const milliseconds = steps.reduce((sum, step) => sum + step.milliseconds, 0);
  const nodes = steps.map((step): RooflineNode => {
    const named = layers.get(layerName(step));
    // A sum that did not fit into a convolution is named for it, too.
    const layer = step.macs === 0 && (named?.macs ?? 0) > 0 ? undefined : named;
    const share = milliseconds === 0 ? 0 : step.milliseconds / milliseconds;
    const { bound, level, leastMilliseconds } = ceilingOf(step, ceilings);
    return {
      name: step.name,
      op: step.op,
      kernels: step.kernels,
      milliseconds: step.milliseconds,
      share,
      macs: step.macs * batch,
      movedBytes: step.movedBytes * batch,
      level,
      bound,
      leastMilliseconds: leastMilliseconds * batch,
      shareOfCeiling: step.milliseconds === 0 ? 0 : (leastMilliseconds * batch) / step.milliseconds,
      memoryAccessBytes: layer?.memoryAccessBytes ?? 0,
      ...(layer?.lowerBoundBytes === undefined ? {} : { lowerBoundBytes: layer.lowerBoundBytes }),
      breaches: [
        ...(layer === undefined ? [] : layerBreaches(layer, blocks.get(layer.name) ?? 1)),
        ...elementwiseBreach(step, share),
      ],
    };
  });
  const least = nodes.reduce((sum, node) => sum + node.leastMilliseconds, 0);
  return { ceilings, milliseconds, leastMilliseconds: least, nodes };
}

/** The node that a step is named for; what it took in follows after `+`. */
export function layerName({ name }: Pick<StepManifest, "name">): string {
  return name.split("+")[0] ?? name;
}

/**
 * The time of one picture at the ceiling that is the lower one for a step.
 *
 * @throws {OptionError} for ceilings without levels
 */
export function ceilingOf(
  { macs, movedBytes }: Pick<StepManifest, "macs" | "movedBytes">,
  { gigamacsPerSecond, levels }: DeviceCeilings,
): { readonly bound: "compute" | "memory"; readonly level: string; readonly leastMilliseconds: number } {
  const level = levels.find(({ bytes }) => bytes === null || movedBytes <= bytes) ?? levels.at(-1);
  if (level === undefined) throw new OptionError("The ceilings have no level of memory: expected at least one.");
  const computing = macs / gigamacsPerSecond / 1e6;
  const moving = movedBytes / level.gigabytesPerSecond / 1e6;
  return {
    bound: computing >= moving ? "compute" : "memory",
    level: level.name,
    leastMilliseconds: Math.max(computing, moving),
  };
}

/** Branches of the block that each layer stands in. */
function blockOfLayers({ layers, blocks }: Description): ReadonlyMap<string, number> {
  return new Map(
    layers.map(({ name }) => {
      const block = blocks.find((each) => name === each.name || name.startsWith(`${each.name}/`));
      return [name, block?.branches ?? 1];
    }),
  );
}

/** Guidelines 1 to 3, of convolutions. */
function layerBreaches({ op, kernel, groups, input, output }: LayerDescription, branches: number): readonly Breach[] {
  if (op !== "convolution" || kernel === null || groups === null) return [];
  const [inputs = 1, outputs = 1] = [input.at(-1), output.at(-1)];
  const isDepthwise = groups === inputs;
  const widths = Math.max(inputs, outputs) / Math.min(inputs, outputs);
  const breaches: Breach[] = [];
  if (kernel.every((size) => size === 1) && widths > limits.widths)
    breaches.push({ guideline: 1, reason: `${inputs} to ${outputs} channels, 1:${Number(widths.toFixed(1))}` });
  if (!isDepthwise && groups > limits.groups) breaches.push({ guideline: 2, reason: `${groups} groups` });
  if (branches > limits.branches) breaches.push({ guideline: 3, reason: `${branches} branches side by side` });
  return breaches;
}

/** Guideline 4: work on single elements that no convolution took in. */
function elementwiseBreach({ macs, op }: StepManifest, share: number): readonly Breach[] {
  if (macs > 0 || op === "input" || op === "output" || share < limits.elementwise) return [];
  return [{ guideline: 4, reason: `${(100 * share).toFixed(1)} % of the time without a multiply-accumulate` }];
}
