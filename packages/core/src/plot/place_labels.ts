/** A rectangle in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A label that belongs to a point. */
export interface LabelRequest {
  /** The point. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where a label stands; undefined where there was no room. */
export interface PlacedLabel extends Box {
  /** Whether it stands so far off that a line should lead to its point. */
  readonly isFar: boolean;
}

/** Distances from the point at which a place is sought, in pixels; beyond the second a line leads there. */
const radii: readonly number[] = [6, 11, 18, 28, 40];
const nearRadii = 2;
/** Directions in the order of taste: right, left, above, below, then the corners. */
const directions: readonly (readonly [x: number, y: number])[] = [
  [1, 0],
  [-1, 0],
  [0, -1],
  [0, 1],
  [1, -1],
  [1, 1],
  [-1, -1],
  [-1, 1],
];

/**
 * Places labels beside their points so that none covers another, a point, or the edge. Greedy, in the given order: the important ones
 * first. Labels for which there is no place are left out.
 *
 * @param bounds within which they must stay
 * @param obstacles what they must not cover: the marks of all points
 */
export function placeLabels(
  labels: readonly LabelRequest[],
  bounds: Box,
  obstacles: readonly Box[],
): readonly (PlacedLabel | undefined)[] {
  const taken: Box[] = [...obstacles];
  return labels.map((label) => {
    const placed = candidates(label).find(
      (box) => isInside(box, bounds) && !taken.some((other) => overlap(box, other)),
    );
    if (placed !== undefined) taken.push(placed);
    return placed;
  });
}

function candidates({ x, y, width, height }: LabelRequest): readonly PlacedLabel[] {
  return radii.flatMap((radius, index) =>
    directions.map(([dx, dy]) => ({
      left: x + dx * radius - (dx === 0 ? width / 2 : dx < 0 ? width : 0),
      top: y + dy * radius - (dy === 0 ? height / 2 : dy < 0 ? height : 0),
      width,
      height,
      isFar: index >= nearRadii,
    })),
  );
}

function isInside(box: Box, bounds: Box): boolean {
  return (
    box.left >= bounds.left &&
    box.top >= bounds.top &&
    box.left + box.width <= bounds.left + bounds.width &&
    box.top + box.height <= bounds.top + bounds.height
  );
}

/** Whether two rectangles share any area. */
export function overlap(a: Box, b: Box): boolean {
  return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;
}
