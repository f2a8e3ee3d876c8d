/** Signed distance from a point to the outline of a shape of radius about 1 around the origin; negative inside. */
export type Outline = (x: number, y: number) => number;

type Point = readonly [x: number, y: number];

/** The ten classes of drawn shapes, by label, sorted. */
export const shapeOutlines: { readonly [label: string]: Outline } = {
  arrow: polygon([
    [1, 0],
    [0.1, 0.85],
    [0.1, 0.35],
    [-0.95, 0.35],
    [-0.95, -0.35],
    [0.1, -0.35],
    [0.1, -0.85],
  ]),
  circle: disc(0, 0, 0.9),
  crescent: (x, y) => Math.max(length(x, y) - 0.95, 0.75 - length(x - 0.5, y)),
  cross: polygon([
    [0.32, 0.95],
    [-0.32, 0.95],
    [-0.32, 0.32],
    [-0.95, 0.32],
    [-0.95, -0.32],
    [-0.32, -0.32],
    [-0.32, -0.95],
    [0.32, -0.95],
    [0.32, -0.32],
    [0.95, -0.32],
    [0.95, 0.32],
    [0.32, 0.32],
  ]),
  heart: heart(0.56),
  ring: (x, y) => Math.abs(length(x, y) - 0.7) - 0.23,
  semicircle: (x, y) => Math.max(length(x, y + 0.4) - 0.95, -0.4 - y),
  square: polygon([
    [0.75, 0.75],
    [-0.75, 0.75],
    [-0.75, -0.75],
    [0.75, -0.75],
  ]),
  star: polygon(fivePointedStar(1, 0.42)),
  triangle: polygon([
    [0, 1],
    [-0.8660254037844386, -0.5],
    [0.8660254037844386, -0.5],
  ]),
};

/** No outline has a point further than this from the origin: the corner of the heart lies furthest, at 1.11. */
export const outlineReach = 1.12;

function length(x: number, y: number): number {
  return Math.sqrt(x * x + y * y); // not Math.hypot, in whose last bit engines differ
}

function disc(centerX: number, centerY: number, radius: number): Outline {
  return (x, y) => length(x - centerX, y - centerY) - radius;
}

/** A square with a disc on each of two sides that meet. */
function heart(side: number): Outline {
  const back = 0.4 * side; // brings its middle to the origin
  const upper = disc(-back, side - back, side);
  const right = disc(side - back, -back, side);
  const box: Outline = (x, y) => Math.max(Math.abs(x + back), Math.abs(y + back)) - side;
  return (x, y) => Math.min(box(x, y), upper(x, y), right(x, y));
}

/** Tips at the radius `outer`, notches at `inner`. The numbers are cosines and sines of multiples of 72 degrees. */
function fivePointedStar(outer: number, inner: number): Point[] {
  const tips: readonly Point[] = [
    [0, 1],
    [-0.9510565162951535, 0.30901699437494745],
    [-0.5877852522924731, -0.8090169943749475],
    [0.5877852522924731, -0.8090169943749475],
    [0.9510565162951535, 0.30901699437494745],
  ];
  // The notch after each tip lies opposite the tip three further on.
  return tips.flatMap(([x, y], i): Point[] => {
    const [oppositeX, oppositeY] = tips[(i + 3) % 5]!;
    return [
      [outer * x, outer * y],
      [-inner * oppositeX, -inner * oppositeY],
    ];
  });
}

/** Distance to the nearest edge; inside by counting the edges that a ray to the right crosses. */
function polygon(corners: readonly Point[]): Outline {
  return (x, y) => {
    let nearest = Number.POSITIVE_INFINITY;
    let isInside = false;
    let [fromX, fromY] = corners.at(-1)!;
    for (const [toX, toY] of corners) {
      const edgeX = toX - fromX;
      const edgeY = toY - fromY;
      const dx = x - fromX;
      const dy = y - fromY;
      const along = Math.max(0, Math.min(1, (dx * edgeX + dy * edgeY) / (edgeX * edgeX + edgeY * edgeY)));
      const restX = dx - along * edgeX;
      const restY = dy - along * edgeY;
      nearest = Math.min(nearest, restX * restX + restY * restY);
      if (fromY > y !== toY > y && dx < (edgeX * dy) / edgeY) isInside = !isInside;
      fromX = toX;
      fromY = toY;
    }
    return isInside ? -Math.sqrt(nearest) : Math.sqrt(nearest);
  };
}
