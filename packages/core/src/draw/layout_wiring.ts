/**
 * Places the boxes of a small graph, data flowing down. The longest chain of boxes stands in one lane; every other chain gets the nearest
 * free lane beside it, so that a lane is straight and branches stand side by side. Pure: sizes in, positions out.
 */

/** A box to place. */
export interface WiringBox {
  readonly width: number;
  readonly height: number;
  /** Positions of the boxes that it reads, all before it. */
  readonly inputs: readonly number[];
  /** Where the wire of each input arrives, from the box's middle. Default: in the middle. */
  readonly arrivals?: readonly number[];
}

/** A box in its place. */
export interface PlacedBox {
  /** Middle. */
  readonly x: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

type Point = readonly [x: number, y: number];

/** A wire from one box down to another. */
export interface PlacedWire {
  readonly from: number;
  readonly to: number;
  readonly points: readonly Point[];
}

/** Boxes in their order, wires, and the size of all. */
export interface WiringLayout {
  readonly boxes: readonly PlacedBox[];
  readonly wires: readonly PlacedWire[];
  readonly width: number;
  readonly height: number;
}

/** Between two rows of boxes; wires turn in it, at the first height below a box, at the second above one. */
const gap = 42;
const turnBelow = 13;
const turnAbove = 17;
/** A step aside smaller than this looks like a mistake; the wire goes straight instead. */
const smallestStep = 14;
const laneGap = 26;
/** Width of a lane that holds nothing but a wire. */
const wireLane = 14;

/** A stretch of boxes that stand below each other, and the boxes that it hangs between. */
interface Chain {
  readonly boxes: readonly number[];
  readonly from: number | undefined;
  readonly to: number | undefined;
  /** Which input of `to` it feeds. */
  readonly port: number;
}

interface Edge {
  readonly from: number;
  readonly to: number;
  readonly port: number;
}

/** Positions of the boxes and of the wires between them. */
export function layoutWiring(boxes: readonly WiringBox[]): WiringLayout {
  const edges = boxes.flatMap(({ inputs }, to) => inputs.map((from, port): Edge => ({ from, to, port })));
  const ranks = ranksOf(boxes);
  const chains = chainsOf(boxes, edges);
  const lanes = lanesOf(boxes, ranks, chains);
  const laneOfBox = boxes.map((_, box) => lanes[chains.findIndex((chain) => chain.boxes.includes(box))] ?? 0);
  const { middles, width } = columns(boxes, laneOfBox, lanes);
  const { tops, heights, height } = rows(boxes, ranks);
  const placed = boxes.map((box, index): PlacedBox => {
    const rank = ranks[index] ?? 0;
    return {
      x: middles.get(laneOfBox[index] ?? 0) ?? 0,
      top: (tops[rank] ?? 0) + ((heights[rank] ?? 0) - box.height) / 2,
      width: box.width,
      height: box.height,
    };
  });
  const wires = edges.map((edge): PlacedWire => {
    const source = placed[edge.from] as PlacedBox;
    const target = placed[edge.to] as PlacedBox;
    const chain = chains.findIndex((each) => each.boxes.length === 0 && sameEnds(each, edge));
    // Within a chain the boxes stand in one lane; into a side chain the wire turns at once, out of it at the end.
    const via =
      chain < 0 || lanes[chain] === undefined
        ? isFirstOfChain(chains, edge)
          ? target.x
          : source.x
        : (middles.get(lanes[chain] as number) ?? source.x);
    const wanted = target.x + (boxes[edge.to]?.arrivals?.[edge.port] ?? 0);
    const arrival = Math.abs(wanted - via) < smallestStep ? via : wanted;
    const rowBottom = (tops[ranks[edge.from] ?? 0] ?? 0) + (heights[ranks[edge.from] ?? 0] ?? 0);
    const rowTop = tops[ranks[edge.to] ?? 0] ?? 0;
    const points: readonly Point[] = [
      [source.x, source.top + source.height],
      [source.x, rowBottom + turnBelow],
      [via, rowBottom + turnBelow],
      [via, rowTop - turnAbove],
      [arrival, rowTop - turnAbove],
      [arrival, target.top],
    ];
    return { from: edge.from, to: edge.to, points: withoutStraights(points) };
  });
  return { boxes: placed, wires, width, height };
}

/** How many boxes stand above each on its longest way; values that leave stand at the bottom. */
function ranksOf(boxes: readonly WiringBox[]): readonly number[] {
  const ranks: number[] = [];
  for (const { inputs } of boxes) ranks.push(Math.max(-1, ...inputs.map((input) => ranks[input] ?? 0)) + 1);
  const read = new Set(boxes.flatMap(({ inputs }) => inputs));
  const last = Math.max(0, ...ranks);
  return ranks.map((rank, box) => (read.has(box) || boxes[box]?.inputs.length === 0 ? rank : last));
}

/** All boxes and edges as chains, the longest first, each hanging on those before it. */
function chainsOf(boxes: readonly WiringBox[], edges: readonly Edge[]): readonly Chain[] {
  const covered = new Set<number>();
  const used = new Set<Edge>();
  const outgoing = boxes.map((): Edge[] => []);
  for (const edge of edges) outgoing[edge.from]?.push(edge);
  const follow = (from: number | undefined, first: number, lengthFrom: (box: number) => number): Chain => {
    const own: number[] = [];
    for (let box = first; ; ) {
      own.push(box);
      covered.add(box);
      const next = longest(outgoing[box] ?? [], ({ to }) => lengthFrom(to));
      if (next === undefined) return { boxes: own, from, to: undefined, port: 0 };
      used.add(next);
      if (covered.has(next.to)) return { boxes: own, from, to: next.to, port: next.port };
      box = next.to;
    }
  };
  const starts = boxes.map((_, box) => box).filter((box) => boxes[box]?.inputs.length === 0);
  const chains: Chain[] = [];
  for (;;) {
    const lengths = lengthsOf(boxes, edges, covered);
    const lengthFrom = (box: number) => lengths[box] ?? 0;
    const hanging = edges.filter((edge) => !used.has(edge) && covered.has(edge.from));
    const edge = longest(hanging, ({ to }) => lengthFrom(to));
    const start = longest(
      starts.filter((box) => !covered.has(box)),
      lengthFrom,
    );
    const isStart = start !== undefined && (edge === undefined || lengthFrom(start) > lengthFrom(edge.to));
    if (isStart) {
      chains.push(follow(undefined, start, lengthFrom));
    } else if (edge !== undefined) {
      used.add(edge);
      chains.push(
        covered.has(edge.to)
          ? { boxes: [], from: edge.from, to: edge.to, port: edge.port }
          : follow(edge.from, edge.to, lengthFrom),
      );
    } else {
      return chains;
    }
  }
}

/** For each box the boxes on the longest way down from it, itself among them, up to a covered one. */
function lengthsOf(
  boxes: readonly WiringBox[],
  edges: readonly Edge[],
  covered: ReadonlySet<number>,
): readonly number[] {
  const lengths = boxes.map((_, box) => Number(!covered.has(box)));
  for (const { from, to } of edges.toSorted((a, b) => b.to - a.to)) {
    if (!covered.has(from)) lengths[from] = Math.max(lengths[from] ?? 0, 1 + (lengths[to] ?? 0));
  }
  return lengths;
}

/** The first of those for which `length` is greatest. */
function longest<T>(candidates: readonly T[], length: (candidate: T) => number): T | undefined {
  let best: T | undefined;
  let most = -1;
  for (const candidate of candidates) {
    const own = length(candidate);
    if (own > most) [best, most] = [candidate, own];
  }
  return best;
}

/**
 * The lane of each chain, undefined for an edge that needs none. A chain goes to the side on which its input of the box below stands,
 * short ones first, so that they are nearest.
 */
function lanesOf(
  boxes: readonly WiringBox[],
  ranks: readonly number[],
  chains: readonly Chain[],
): readonly (number | undefined)[] {
  const lanes: (number | undefined)[] = chains.map(() => undefined);
  const taken = new Map<number, (readonly [first: number, last: number])[]>();
  const done = new Set<number>();
  const span = (chain: Chain): readonly [first: number, last: number] => {
    const own = chain.boxes.map((box) => ranks[box] ?? 0);
    const first = chain.from === undefined ? Math.min(...own) : (ranks[chain.from] ?? 0) + 1;
    return [first, chain.to === undefined ? Math.max(...own) : (ranks[chain.to] ?? 0) - 1];
  };
  const chainOf = (box: number | undefined) =>
    chains.findIndex((chain) => box !== undefined && chain.boxes.includes(box));
  const isReady = (chain: Chain) => [chain.from, chain.to].every((box) => box === undefined || done.has(chainOf(box)));
  while (done.size < chains.length) {
    const ready = chains
      .map((_, index) => index)
      .filter((index) => !done.has(index) && isReady(chains[index] as Chain));
    const next = longest(ready, (index) => {
      const [first, last] = span(chains[index] as Chain);
      return boxes.length - (last - first);
    });
    if (next === undefined) return lanes;
    done.add(next);
    const chain = chains[next] as Chain;
    const [first, last] = span(chain);
    if (last < first) continue;
    const anchor = chain.to ?? chain.from;
    const home = anchor === undefined ? 0 : (lanes[chainOf(anchor)] ?? 0);
    const side = sideOf(boxes, chains, chain);
    let lane = home;
    const isFree = () => !(taken.get(lane) ?? []).some(([from, to]) => from <= last && first <= to);
    while (!isFree()) lane += side;
    taken.set(lane, [...(taken.get(lane) ?? []), [first, last]]);
    lanes[next] = lane;
  }
  return lanes;
}

/** −1 for left, 1 for right: where the chain's input of the box below stands beside the input that comes from above. */
function sideOf(boxes: readonly WiringBox[], chains: readonly Chain[], chain: Chain): -1 | 1 {
  if (chain.to === undefined) return 1;
  const owner = chains.find(({ boxes: own }) => own.includes(chain.to as number));
  const above = owner?.boxes[owner.boxes.indexOf(chain.to) - 1] ?? owner?.from;
  const straight = boxes[chain.to]?.inputs.indexOf(above ?? -1) ?? -1;
  return chain.port < straight ? -1 : 1;
}

/** Middles of the lanes, from left to right. */
function columns(
  boxes: readonly WiringBox[],
  laneOfBox: readonly number[],
  lanes: readonly (number | undefined)[],
): { readonly middles: ReadonlyMap<number, number>; readonly width: number } {
  const used = [...new Set([...laneOfBox, ...lanes.filter((lane) => lane !== undefined)])].sort((a, b) => a - b);
  const middles = new Map<number, number>();
  let right = 0;
  for (const lane of used) {
    const widths = boxes.filter((_, box) => laneOfBox[box] === lane).map((box) => box.width);
    const width = Math.max(wireLane, ...widths);
    middles.set(lane, right + width / 2);
    right += width + laneGap;
  }
  return { middles, width: Math.max(0, right - laneGap) };
}

/** Tops and heights of the rows. */
function rows(
  boxes: readonly WiringBox[],
  ranks: readonly number[],
): { readonly tops: readonly number[]; readonly heights: readonly number[]; readonly height: number } {
  const heights = Array.from({ length: Math.max(0, ...ranks) + 1 }, (_, rank) =>
    Math.max(0, ...boxes.filter((__, box) => ranks[box] === rank).map((box) => box.height)),
  );
  const tops: number[] = [];
  let bottom = 0;
  for (const height of heights) {
    tops.push(bottom);
    bottom += height + gap;
  }
  return { tops, heights, height: bottom - gap };
}

function sameEnds(chain: Chain, edge: Edge): boolean {
  return chain.from === edge.from && chain.to === edge.to && chain.port === edge.port;
}

function isFirstOfChain(chains: readonly Chain[], edge: Edge): boolean {
  return chains.some((chain) => chain.from === edge.from && chain.boxes[0] === edge.to);
}

/** Points between which the direction does not change are left out. */
function withoutStraights(points: readonly Point[]): readonly Point[] {
  const different = points.filter(([x, y], index) => {
    const before = points[index - 1];
    return before === undefined || before[0] !== x || before[1] !== y;
  });
  return different.filter(([x, y], index) => {
    const [before, after] = [different[index - 1], different[index + 1]];
    if (before === undefined || after === undefined) return true;
    return !((before[0] === x && after[0] === x) || (before[1] === y && after[1] === y));
  });
}
