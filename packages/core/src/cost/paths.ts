import { GraphError } from "../errors.ts";
import { findNode, type Graph, type Node, nodeOf, type ValueId } from "../graph/graph.ts";
import type { OperationName, OperationOf } from "../graph/operations.ts";
import { permutationOrder } from "../graph/permutation.ts";
import type { Shape } from "../tensor.ts";

/** Connection paths between the channels of two values. */
export interface PathCount {
  /** Channels of the first value. */
  readonly inputs: number;
  /** Channels of the second. */
  readonly outputs: number;
  /** Paths of the pair that has the fewest, and of the pair that has the most. */
  readonly minPaths: number;
  readonly maxPaths: number;
  /** Whether every count is exact: float64 rounds above 2^53. None and some are told apart always. */
  readonly isExact: boolean;
  /** A pair that no path joins, if there is one: the first. */
  readonly unconnected?: { readonly input: number; readonly output: number };
  /** Pairs that no path joins, among all pairs. */
  readonly unconnectedShare: number;
}

/** Rows of counts, one for each channel of the first value in `[first, first + count)`: `counts[row * channels + channel]`. */
interface Rows {
  readonly count: number;
  readonly channels: number;
  readonly counts: Float64Array;
}

interface RowInputs {
  /** Undefined for an input that no path from the first value reaches. */
  readonly rows: readonly (Rows | undefined)[];
  readonly shapes: readonly Shape[];
  readonly output: Shape;
}

type PathRule<K extends OperationName> = (operation: OperationOf<K>, inputs: RowInputs) => Rows | undefined;

/** Rows worked on at a time: bounds memory to this times the channels of the values alive. */
const rowsAtATime = 64;

/**
 * Counts the paths by which each channel of one value reaches each channel of another: every weight stands for one connection, whatever
 * the size of its window. IGCV2's complementary condition (arXiv:1804.06202, section 3.2) asks for exactly one between any two channels.
 *
 * @param from name of the node whose output is the first value
 * @param to name of the node whose output is the second
 * @throws {GraphError} if a name is unknown
 */
export function countPaths(graph: Graph, from: string, to: string): PathCount {
  const way = wayOf(graph, named(graph, from), named(graph, to));
  const inputs = channelsOf(way.first);
  const outputs = channelsOf(way.last);
  let minPaths = Number.POSITIVE_INFINITY;
  let maxPaths = 0;
  let unconnectedPairs = 0;
  let unconnected: PathCount["unconnected"];
  let largest = 0;
  for (let row = 0; row < inputs; row += rowsAtATime) {
    const { counts, largestInside } = propagate(way, row, Math.min(rowsAtATime, inputs - row));
    largest = Math.max(largest, largestInside);
    for (let index = 0; index < counts.length; index++) {
      const paths = counts[index] as number;
      if (paths < minPaths) minPaths = paths;
      if (paths > maxPaths) maxPaths = paths;
      if (paths > 0) continue;
      unconnectedPairs++;
      unconnected ??= { input: row + Math.floor(index / outputs), output: index % outputs };
    }
  }
  return {
    inputs,
    outputs,
    minPaths,
    maxPaths,
    isExact: largest <= Number.MAX_SAFE_INTEGER,
    ...(unconnected === undefined ? {} : { unconnected }),
    unconnectedShare: unconnectedPairs / (inputs * outputs),
  };
}

/**
 * The same as a matrix.
 *
 * @returns `counts[input * outputs + output]`
 */
export function pathMatrix(
  graph: Graph,
  from: string,
  to: string,
): { readonly inputs: number; readonly outputs: number; readonly counts: Float64Array } {
  const way = wayOf(graph, named(graph, from), named(graph, to));
  const inputs = channelsOf(way.first);
  return { inputs, outputs: channelsOf(way.last), counts: propagate(way, 0, inputs).counts };
}

function named(graph: Graph, name: string): Node {
  const node = findNode(graph, name);
  if (node === undefined) throw new GraphError(`Graph "${graph.name}" has no node "${name}".`);
  return node;
}

function channelsOf(node: Node): number {
  return node.shape.at(-1) ?? 1;
}

/** The nodes that carry paths from `first` to `last`. */
interface Way {
  readonly graph: Graph;
  readonly first: Node;
  readonly last: Node;
  /** Nodes after `first` that `last` depends on, in order. */
  readonly nodes: readonly Node[];
}

function wayOf(graph: Graph, first: Node, last: Node): Way {
  const needed = new Set<ValueId>([last.id]);
  for (let id = last.id; id > first.id; id--) {
    const node = graph.nodes[id] as Node;
    if (needed.has(node.id)) for (const input of node.inputs) needed.add(input);
  }
  const nodes = graph.nodes.slice(first.id + 1, last.id + 1).filter(({ id }) => needed.has(id));
  return { graph, first, last, nodes };
}

/** Counts from the channels `[start, start + count)` of the first value to all of the last. */
function propagate(
  { graph, first, last, nodes }: Way,
  start: number,
  count: number,
): { readonly counts: Float64Array; readonly largestInside: number } {
  const values = new Map<ValueId, Rows>();
  const unit = emptyRows(count, channelsOf(first));
  for (let row = 0; row < count; row++) unit.counts[row * unit.channels + start + row] = 1;
  values.set(first.id, unit);
  let largestInside = 1;
  for (const node of nodes) {
    const rule = pathRules[node.operation.op] as PathRule<OperationName>;
    const inputs = node.inputs.map((input) => values.get(input));
    const shapes = node.inputs.map((input) => nodeOf(graph, input).shape);
    const rows = rule(node.operation, { rows: inputs, shapes, output: node.shape });
    if (rows === undefined) continue;
    values.set(node.id, rows);
    if (rows === inputs[0]) continue;
    for (let index = 0; index < rows.counts.length; index++) {
      if ((rows.counts[index] as number) > largestInside) largestInside = rows.counts[index] as number;
    }
  }
  return { counts: (values.get(last.id) ?? emptyRows(count, channelsOf(last))).counts, largestInside };
}

function emptyRows(count: number, channels: number): Rows {
  return { count, channels, counts: new Float64Array(count * channels) };
}

/** Every channel goes where it was. */
const passes = (_: unknown, { rows }: RowInputs): Rows | undefined => rows[0];
/** Either value of a sum or product may carry the path. */
const joins = (_: unknown, { rows }: RowInputs): Rows | undefined => {
  const [a, b] = rows;
  if (a === undefined || b === undefined) return a ?? b;
  return { ...a, counts: a.counts.map((paths, index) => paths + (b.counts[index] as number)) };
};

const pathRules = {
  input: () => undefined,
  parameter: () => undefined,
  convolution: ({ groups, bias, residual }, { rows, output }) => {
    const convolved = rows[0] && groupSums(rows[0], groups, output.at(-1) ?? 1);
    return residual ? joins(undefined, { rows: [convolved, rows[2 + Number(bias)]], shapes: [], output }) : convolved;
  },
  batch_norm: passes,
  activation: passes,
  add: joins,
  multiply: joins,
  concatenate: (_, { rows, shapes }) => {
    const known = rows.find((each) => each !== undefined);
    return known && concatenated(rows.map((each, index) => each ?? emptyRows(known.count, shapes[index]?.at(-1) ?? 1)));
  },
  slice: ({ start, count }, { rows: [x] }) =>
    x &&
    gathered(
      x,
      Array.from({ length: count }, (_, c) => start + c),
    ),
  permute: ({ permutation }, { rows: [x] }) => x && gathered(x, permutationOrder(permutation, x.channels)),
  max_pool: passes,
  average_pool: passes,
  global_average_pool: passes,
  linear: (_, { rows: [x], output }) => x && groupSums(x, 1, output.at(-1) ?? 1),
  softmax: (_, { rows: [x] }) => x && groupSums(x, 1, x.channels),
  // Memory order: the channels of every position in turn.
  flatten: (_, { rows: [x], output }) =>
    x &&
    gathered(
      x,
      Array.from({ length: output[1] ?? 1 }, (__, index) => index % x.channels),
    ),
  dropout: passes,
  pad: passes,
  resize: passes,
} satisfies { readonly [K in OperationName]: PathRule<K> };

/** Each output channel of a group convolution has the paths of all input channels of its group. */
function groupSums(x: Rows, groups: number, outputs: number): Rows {
  const result = emptyRows(x.count, outputs);
  const [inputsPerGroup, outputsPerGroup] = [x.channels / groups, outputs / groups];
  for (let row = 0; row < x.count; row++) {
    for (let group = 0; group < groups; group++) {
      let sum = 0;
      const start = row * x.channels + group * inputsPerGroup;
      for (let ic = 0; ic < inputsPerGroup; ic++) sum += x.counts[start + ic] as number;
      const end = row * outputs + (group + 1) * outputsPerGroup;
      result.counts.fill(sum, end - outputsPerGroup, end);
    }
  }
  return result;
}

/** `out[c] = in[order[c]]`. */
function gathered(x: Rows, order: readonly number[]): Rows {
  const result = emptyRows(x.count, order.length);
  for (let row = 0; row < x.count; row++) {
    for (let to = 0; to < order.length; to++) {
      result.counts[row * order.length + to] = x.counts[row * x.channels + (order[to] as number)] as number;
    }
  }
  return result;
}

function concatenated(parts: readonly Rows[]): Rows {
  const count = parts[0]?.count ?? 0;
  const result = emptyRows(
    count,
    parts.reduce((sum, { channels }) => sum + channels, 0),
  );
  let offset = 0;
  for (const { channels, counts } of parts) {
    for (let row = 0; row < count; row++) {
      result.counts.set(counts.subarray(row * channels, (row + 1) * channels), row * result.channels + offset);
    }
    offset += channels;
  }
  return result;
}
