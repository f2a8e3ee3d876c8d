import fc from "fast-check";
import { expect, test } from "vitest";
import { layoutWiring, type PlacedBox, type WiringBox } from "./layout_wiring.ts";

/** Random wirings: every box reads up to three of those before it. */
const wirings = fc
  .array(
    fc.record({
      width: fc.integer({ min: 20, max: 200 }),
      height: fc.integer({ min: 20, max: 90 }),
      reads: fc.array(fc.nat(), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((boxes) =>
    boxes.map(({ width, height, reads }, index): WiringBox => {
      const inputs = index === 0 ? [] : reads.map((read) => read % index);
      return { width, height, inputs };
    }),
  );

const left = ({ x, width }: PlacedBox) => x - width / 2;
const bottom = ({ top, height }: PlacedBox) => top + height;

test("boxes never overlap, stand below what they read, and inside the picture", () => {
  fc.assert(
    fc.property(wirings, (boxes) => {
      const { boxes: placed, width, height } = layoutWiring(boxes);
      for (const [index, box] of placed.entries()) {
        expect(left(box)).toBeGreaterThanOrEqual(-1e-9);
        expect(left(box) + box.width).toBeLessThanOrEqual(width + 1e-9);
        expect(bottom(box)).toBeLessThanOrEqual(height + 1e-9);
        for (const input of boxes[index]?.inputs ?? []) {
          expect(bottom(placed[input] as PlacedBox)).toBeLessThan(box.top);
        }
        for (const other of placed.slice(0, index)) {
          const isBeside = left(other) + other.width <= left(box) || left(box) + box.width <= left(other);
          const isAbove = bottom(other) <= box.top || bottom(box) <= other.top;
          expect(isBeside || isAbove).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("every input has a wire that goes down from its box, in right angles, and through no other box", () => {
  fc.assert(
    fc.property(wirings, (boxes) => {
      const { boxes: placed, wires } = layoutWiring(boxes);
      expect(wires).toHaveLength(boxes.reduce((sum, { inputs }) => sum + inputs.length, 0));
      for (const { from, to, points } of wires) {
        const [source, target] = [placed[from] as PlacedBox, placed[to] as PlacedBox];
        expect(points[0]).toEqual([source.x, bottom(source)]);
        expect(points.at(-1)?.[1]).toBe(target.top);
        for (const [index, [x, y]] of points.entries()) {
          const [beforeX, beforeY] = points[index - 1] ?? [x, y];
          expect(y).toBeGreaterThanOrEqual(beforeY);
          expect(x === beforeX || y === beforeY).toBe(true);
          for (const box of placed) {
            const [low, high] = [Math.min(x, beforeX), Math.max(x, beforeX)];
            const crosses = high > left(box) && low < left(box) + box.width && y > box.top && beforeY < bottom(box);
            expect(crosses).toBe(false);
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("a shortcut stands beside the branch, on the side of its input", () => {
  const box = { width: 100, height: 40 };
  const unit = (inputs: readonly number[]): readonly WiringBox[] => [
    { ...box, inputs: [] },
    { ...box, inputs: [0] },
    { ...box, inputs: [1] },
    { ...box, inputs },
  ];
  const lanes = (inputs: readonly number[]) => {
    const { boxes, wires } = layoutWiring(unit(inputs));
    expect(new Set(boxes.map(({ x }) => x)).size).toBe(1);
    const shortcut = wires.find(({ from, to }) => from === 0 && to === 3);
    return Math.sign((shortcut?.points[2]?.[0] ?? 0) - (boxes[0]?.x ?? 0));
  };
  expect([lanes([0, 2]), lanes([2, 0])]).toEqual([-1, 1]);
});
