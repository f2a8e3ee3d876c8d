import { activationFunctions } from "../graph/activation_functions.ts";
import { seededRandom } from "../random.ts";
import { type Matrix, multiply, pseudoInverse, transpose } from "./pseudo_inverse.ts";
import { type Estimate, meanEstimate } from "./statistics.ts";

/**
 * Figure 1 of MobileNetV2 (M. Sandler et al., CVPR 2018, arXiv:1801.04381, section 3.2): a spiral in two dimensions is embedded into n by a
 * random matrix T, goes through ReLU, and comes back by T's pseudo-inverse. "In examples above n = 2, 3 result in information loss where
 * certain points of the manifold collapse into each other, while for n = 15 to 30 the transformation is highly non-convex."
 */

/** What follows the embedding; `none` is the linear bottleneck. */
export type ManifoldActivation = "relu" | "none" | "relu6" | "hard_swish";

/** The activations, in the order of the report. */
export const manifoldActivations: readonly ManifoldActivation[] = ["relu", "none", "relu6", "hard_swish"];

/** The paper's dimensions. */
export const manifoldDimensions: readonly number[] = [2, 3, 5, 15, 30];

/** Points on the spiral, and its turns around the origin. */
const spiralPoints = 200;
const spiralTurns = 2.5;
/** A pair of points collapsed if the activation left less than this of its distance. */
const collapsedBelow = 0.01;
/** Nearest neighbours that are looked at. */
const neighbours = 8;

/** What became of one spiral. */
export interface ManifoldFigures {
  /** Share of the points that collapsed into another one: the activation left less than a hundredth of their distance. */
  readonly collapsed: number;
  /** Root of the mean square of what came back minus what went in, over the root mean square of what went in. */
  readonly error: number;
  /** The same after the best affine map of the plane: what scaling, turning and shifting cannot repair. */
  readonly fittedError: number;
  /** Share of the eight nearest neighbours of a point that are among its eight nearest afterwards. */
  readonly neighbours: number;
  /** Share of the embedded coordinates on which the activation has a slope. */
  readonly activated: number;
}

/** One spiral on its way. */
export interface ManifoldTrip {
  /** What came back: as many points as the spiral has, in its order. */
  readonly points: Matrix;
  readonly figures: ManifoldFigures;
}

/** Figures over many seeds: means, and where the mean of as many other seeds would come out. */
export type ManifoldEstimates = { readonly [K in keyof ManifoldFigures]: Estimate };

/** The spiral: points `[x, y]` of an Archimedean spiral, its outer end at distance 1. */
export function spiral(): Matrix {
  return Array.from({ length: spiralPoints }, (_, i) => {
    const along = (i + 1) / spiralPoints;
    // Equal steps along the curve: its length grows with the square of the angle.
    const radius = Math.sqrt(along);
    const angle = 2 * Math.PI * spiralTurns * radius;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/** Sends the spiral through n dimensions: T is drawn from the seed, normally distributed. */
export function travel(dimensions: number, activation: ManifoldActivation, seed: number): ManifoldTrip {
  const random = seededRandom(seed, `manifold ${dimensions}`);
  const embedding = Array.from({ length: dimensions }, () => [random.normal(), random.normal()]);
  const start = spiral();
  const embedded = multiply(start, transpose(embedding));
  const apply = activationFunctions[activation];
  const activated = embedded.map((point) => point.map(apply));
  const points = multiply(activated, transpose(pseudoInverse(embedding)));
  return {
    points,
    figures: {
      collapsed: collapsedShare(embedded, activated),
      error: relativeError(start, points),
      fittedError: relativeError(start, fitted(points, start)),
      neighbours: preservedNeighbours(start, points),
      activated: activatedShare(embedded, activation),
    },
  };
}

/** Means over seeds 0, 1, 2, ... */
export function manifoldEstimates(
  dimensions: number,
  activation: ManifoldActivation,
  seeds: number,
): { readonly estimates: ManifoldEstimates; readonly samples: readonly ManifoldFigures[] } {
  const samples = Array.from({ length: seeds }, (_, seed) => travel(dimensions, activation, seed).figures);
  const estimate = (figure: keyof ManifoldFigures) => meanEstimate(samples.map((sample) => sample[figure]));
  return {
    samples,
    estimates: {
      collapsed: estimate("collapsed"),
      error: estimate("error"),
      fittedError: estimate("fittedError"),
      neighbours: estimate("neighbours"),
      activated: estimate("activated"),
    },
  };
}

/** Points side by side in one array, which is several times as quick to walk over. */
interface Cloud {
  readonly count: number;
  readonly dimensions: number;
  readonly values: Float64Array;
}

function cloudOf(points: Matrix): Cloud {
  const dimensions = points[0]?.length ?? 0;
  return { count: points.length, dimensions, values: Float64Array.from(points.flat()) };
}

function squaredDistance({ dimensions, values }: Cloud, i: number, j: number): number {
  let sum = 0;
  for (let k = 0; k < dimensions; k++) {
    const difference = (values[i * dimensions + k] as number) - (values[j * dimensions + k] as number);
    sum += difference * difference;
  }
  return sum;
}

function collapsedShare(embedded: Matrix, activated: Matrix): number {
  const [before, after] = [cloudOf(embedded), cloudOf(activated)];
  const isCollapsed = new Uint8Array(before.count);
  for (let i = 0; i < before.count; i++) {
    for (let j = 0; j < i; j++) {
      if (squaredDistance(after, i, j) >= collapsedBelow ** 2 * squaredDistance(before, i, j)) continue;
      isCollapsed[i] = 1;
      isCollapsed[j] = 1;
    }
  }
  return isCollapsed.reduce((sum, flag) => sum + flag, 0) / before.count;
}

function relativeError(expected: Matrix, actual: Matrix): number {
  let [off, all] = [0, 0];
  for (const [i, [x = 0, y = 0]] of expected.entries()) {
    const [backX = 0, backY = 0] = actual[i] ?? [];
    off += (backX - x) ** 2 + (backY - y) ** 2;
    all += x ** 2 + y ** 2;
  }
  return Math.sqrt(off / all);
}

/** The points after the affine map that brings them nearest to `target`. */
function fitted(points: Matrix, target: Matrix): Matrix {
  const extended = points.map((point) => [...point, 1]);
  return multiply(extended, multiply(pseudoInverse(extended), target));
}

function preservedNeighbours(start: Matrix, points: Matrix): number {
  const [before, after] = [cloudOf(start), cloudOf(points)];
  let kept = 0;
  for (let i = 0; i < before.count; i++) {
    const nearest = new Set(nearestTo(before, i));
    kept += nearestTo(after, i).filter((other) => nearest.has(other)).length;
  }
  return kept / (before.count * neighbours);
}

/** The nearest points, by insertion into a short sorted list. */
function nearestTo(cloud: Cloud, index: number): readonly number[] {
  const nearest: number[] = [];
  const distances: number[] = [];
  for (let other = 0; other < cloud.count; other++) {
    if (other === index) continue;
    const distance = squaredDistance(cloud, index, other);
    if (nearest.length === neighbours && distance >= (distances.at(-1) ?? 0)) continue;
    let place = nearest.length;
    while (place > 0 && (distances[place - 1] ?? 0) > distance) place--;
    nearest.splice(place, 0, other);
    distances.splice(place, 0, distance);
    if (nearest.length > neighbours) {
      nearest.pop();
      distances.pop();
    }
  }
  return nearest;
}

/** Where each activation has a slope. */
const hasSlope: { readonly [A in ManifoldActivation]: (x: number) => boolean } = {
  none: () => true,
  relu: (x) => x > 0,
  relu6: (x) => x > 0 && x < 6,
  hard_swish: (x) => x > -3,
};

function activatedShare(embedded: Matrix, activation: ManifoldActivation): number {
  const all = embedded.flat();
  return all.filter(hasSlope[activation]).length / all.length;
}
