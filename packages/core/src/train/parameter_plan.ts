import type { ValueId } from "../graph/graph.ts";
import type { StepGraph } from "./step_graph.ts";
import type { ParameterPlace } from "./training_manifest.ts";

/** Parameters that follow the same settings. */
export interface ParameterGroup {
  readonly name: string;
  /** Floats from the arrays' start, and how many; both multiples of a cache line. */
  readonly first: number;
  readonly floats: number;
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

/** @param groupOf the name of the group whose settings a trained parameter follows */
export function planParameters(
  step: StepGraph,
  groupOf: (name: string, shape: readonly number[]) => string,
): ParameterPlan {
  const running = new Set(step.moments.flatMap(({ mean, variance }) => [mean, variance]));
  const members = new Map<string, { name: string; count: number }[]>();
  const frozen: { name: string; count: number }[] = [];
  for (const { name, operation, shape } of step.nodes) {
    if (operation.op !== "parameter" || running.has(name)) continue;
    const entry = { name, count: shape.reduce((product, length) => product * length, 1) };
    if (!step.gradients.has(name)) frozen.push(entry);
    else {
      const group = groupOf(name, shape);
      members.set(group, [...(members.get(group) ?? []), entry]);
    }
  }
  const places: ParameterPlace[] = [];
  const trained: { offset: number; count: number; gradient: ValueId }[] = [];
  let floats = 0;
  const place = ({ name, count }: { name: string; count: number }) => {
    places.push({ name, offset: floats, count });
    floats += count;
  };
  const toLine = () => {
    floats = Math.ceil(floats / LINE_FLOATS) * LINE_FLOATS;
  };
  const groups = [...members].map(([name, entries]): ParameterGroup => {
    const first = floats;
    for (const entry of entries) {
      trained.push({ offset: floats, count: entry.count, gradient: step.gradients.get(entry.name) as ValueId });
      place(entry);
    }
    toLine();
    return { name, first, floats: floats - first };
  });
  frozen.forEach(place);
  toLine();
  return { floats, groups, places, trained, statistics: planStatistics(step) };
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
