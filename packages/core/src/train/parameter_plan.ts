import type { ValueId } from "../graph/graph.ts";
import type { OptimizerName } from "./kernels/optimizer.ts";
import { type MatrixBlock, orthogonalMacs } from "./kernels/orthogonal.ts";
import type { StepGraph, StepNode } from "./step_graph.ts";
import type { ParameterPlace } from "./training_manifest.ts";

/** Parameters that follow the same settings. */
export interface ParameterGroup {
  readonly name: string;
  /** Floats from the arrays' start, and how many; both multiples of a cache line. */
  readonly first: number;
  readonly floats: number;
  /** Where steps are taken matrix by matrix: all of them, the most laborious first. */
  readonly blocks: readonly MatrixBlock[];
}

/** Where all parameters stand: group by group, those that are not trained last. */
export interface ParameterPlan {
  readonly floats: number;
  readonly groups: readonly ParameterGroup[];
  readonly places: readonly ParameterPlace[];
  /** Trained parameters with the value that is their gradient. */
  readonly trained: readonly { readonly offset: number; readonly count: number; readonly gradient: ValueId }[];
  readonly statistics: {
    readonly floats: number;
    readonly places: readonly ParameterPlace[];
    readonly moments: readonly {
      readonly offset: number;
      readonly channels: number;
      readonly value: ValueId;
      readonly count: number;
    }[];
  };
}

/** Floats of a cache line: groups begin at whole ones. */
const LINE_FLOATS = 16;

interface Member {
  readonly name: string;
  readonly count: number;
  /** Its matrices, from its own start. */
  readonly blocks: readonly MatrixBlock[];
}

/** @param groupOf the name of the group whose settings a trained parameter follows */
export function planParameters(
  step: StepGraph,
  groupOf: (name: string, shape: readonly number[]) => string,
  optimizer: OptimizerName,
): ParameterPlan {
  const groupsOfKernels = optimizer === "muon" ? kernelGroups(step) : new Map<string, number>();
  const running = new Set(step.moments.flatMap(({ mean, variance }) => [mean, variance]));
  const members = new Map<string, { readonly group: string; readonly entries: Member[] }>();
  const frozen: Member[] = [];
  for (const { name, operation, shape } of step.nodes) {
    if (operation.op !== "parameter" || running.has(name)) continue;
    const count = shape.reduce((product, length) => product * length, 1);
    const entry: Member = { name, count, blocks: matricesOf(shape, groupsOfKernels.get(name)) };
    if (!step.gradients.has(name)) frozen.push(entry);
    else {
      // Kernels that are stepped as matrices stand apart from their group's other parameters.
      const group = groupOf(name, shape);
      const key = `${group}/${entry.blocks.length > 0}`;
      const known = members.get(key) ?? { group, entries: [] };
      known.entries.push(entry);
      members.set(key, known);
    }
  }
  const places: ParameterPlace[] = [];
  const trained: { offset: number; count: number; gradient: ValueId }[] = [];
  let floats = 0;
  const place = ({ name, count }: Member) => {
    places.push({ name, offset: floats, count });
    floats += count;
  };
  const toLine = () => {
    floats = Math.ceil(floats / LINE_FLOATS) * LINE_FLOATS;
  };
  const groups = [...members.values()].map(({ group: name, entries }): ParameterGroup => {
    const first = floats;
    const blocks: MatrixBlock[] = [];
    for (const entry of entries) {
      for (const block of entry.blocks) blocks.push({ ...block, offset: floats + block.offset });
      trained.push({ offset: floats, count: entry.count, gradient: step.gradients.get(entry.name) as ValueId });
      place(entry);
    }
    toLine();
    blocks.sort((one, other) => orthogonalMacs(other) - orthogonalMacs(one));
    return { name, first, floats: floats - first, blocks };
  });
  frozen.forEach(place);
  toLine();
  return { floats, groups, places, trained, statistics: planStatistics(step) };
}

/** Of each convolution's kernel: how many groups it has. */
function kernelGroups({ nodes }: StepGraph): ReadonlyMap<string, number> {
  const groups = new Map<string, number>();
  for (const { operation, inputs } of nodes) {
    if (operation.op !== "convolution") continue;
    const kernel = nodes[inputs[1] as ValueId] as StepNode;
    if (kernel.operation.op === "parameter") groups.set(kernel.name, operation.groups);
  }
  return groups;
}

/** A kernel `[kh, kw, in/groups, out]` as a matrix a group; none where it is a row or a column, as a depthwise kernel's are. */
function matricesOf(shape: readonly number[], groups: number | undefined): readonly MatrixBlock[] {
  if (groups === undefined) return [];
  const [kh, kw, inPerGroup, out] = shape as readonly [number, number, number, number];
  const [taps, outPerGroup] = [kh * kw * inPerGroup, out / groups];
  if (taps === 1 || outPerGroup === 1) return [];
  const size =
    taps >= outPerGroup
      ? { rows: taps, columns: outPerGroup, rowStep: out, columnStep: 1 }
      : { rows: outPerGroup, columns: taps, rowStep: 1, columnStep: out };
  return Array.from({ length: groups }, (_, group) => ({ offset: group * outPerGroup, ...size }));
}

function planStatistics({ moments, nodes }: StepGraph): ParameterPlan["statistics"] {
  const places: ParameterPlace[] = [];
  let floats = 0;
  const planned = moments.map(({ value, count, mean, variance }) => {
    const channels = nodes[value]?.shape[1] as number;
    const offset = floats;
    places.push(
      { name: mean, offset, count: channels },
      { name: variance, offset: offset + channels, count: channels },
    );
    floats += 2 * channels;
    return { offset, channels, value, count };
  });
  return { floats, places, moments: planned };
}
