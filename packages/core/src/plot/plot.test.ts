import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { writeSvg } from "../draw/svg.ts";
import { OptionError } from "../errors.ts";
import { drawBars } from "./draw_bars.ts";
import { drawMatrix } from "./draw_matrix.ts";
import { drawPanels } from "./draw_panels.ts";
import { drawPlot } from "./draw_plot.ts";
import { writePage } from "./page.ts";
import { overlap, placeLabels } from "./place_labels.ts";
import { linearTicks, logTicks, scaleOf, shortNumber } from "./scale.ts";

describe("ticks", () => {
  it("are round numbers", () => {
    expect(linearTicks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(linearTicks(-3, 12, 4)).toEqual([0, 5, 10]);
    expect(linearTicks(0.1, 0.4, 3)).toEqual([0.1, 0.2, 0.3, 0.4]);
    expect(logTicks(0.9, 120, 8)).toEqual([1, 2, 5, 10, 20, 50, 100]);
    expect(logTicks(0.001, 1000, 7)).toEqual([0.001, 0.01, 0.1, 1, 10, 100, 1000]);
    expect(logTicks(11, 14, 4)).toEqual([11, 12, 13, 14]);
  });

  it("lie within the axis, and are not too many", () => {
    const ends = fc.tuple(
      fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
      fc.double({ min: 1.001, max: 1e6, noNaN: true }),
    );
    fc.assert(
      fc.property(ends, fc.integer({ min: 2, max: 12 }), ([low, factor], most) => {
        const high = low * factor;
        const linear = linearTicks(low, high, most);
        expect(linear.every((tick) => tick >= low * 0.999999 && tick <= high * 1.000001)).toBe(true);
        expect(linear.length).toBeLessThanOrEqual(most + 1);
        const logarithmic = logTicks(low, high, most);
        expect(logarithmic.every((tick) => tick >= low * 0.999 && tick <= high * 1.001)).toBe(true);
      }),
    );
  });

  it("say numbers in few characters", () => {
    expect([0.25, 12.5, 300, 1234, 3e6, 2.5e9].map(shortNumber)).toEqual([
      "0.25",
      "12.5",
      "300",
      "1.23k",
      "3M",
      "2.5G",
    ]);
  });
});

describe("scaleOf", () => {
  it("takes values to pixels, linear and logarithmic", () => {
    expect(scaleOf({ label: "x", range: [0, 10] }, [], [100, 200], 5).at(5)).toBe(150);
    expect(scaleOf({ label: "x", kind: "log", range: [1, 100] }, [], [0, 100], 5).at(10)).toBeCloseTo(50, 9);
  });

  it("refuses logarithms of what is not positive", () => {
    expect(() => scaleOf({ label: "x", kind: "log" }, [1, 0], [0, 1], 3)).toThrow(OptionError);
  });
});

describe("placeLabels", () => {
  it("never lets a label cover another, a point, or the edge", () => {
    const bounds = { left: 0, top: 0, width: 300, height: 200 };
    const points = fc.array(
      fc.record({ x: fc.double({ min: 0, max: 300, noNaN: true }), y: fc.double({ min: 0, max: 200, noNaN: true }) }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(points, (all) => {
        const obstacles = all.map(({ x, y }) => ({ left: x - 3, top: y - 3, width: 6, height: 6 }));
        const placed = placeLabels(
          all.map((point) => ({ ...point, width: 60, height: 13 })),
          bounds,
          obstacles,
        ).filter((box) => box !== undefined);
        for (const [i, box] of placed.entries()) {
          for (const other of [...obstacles, ...placed.slice(0, i)]) expect(overlap(box, other)).toBe(false);
          expect(box.left >= 0 && box.left + box.width <= 300 && box.top >= 0 && box.top + box.height <= 200).toBe(
            true,
          );
        }
      }),
    );
  });

  it("places a label beside a lonely point", () => {
    const [box] = placeLabels(
      [{ x: 50, y: 50, width: 40, height: 12 }],
      { left: 0, top: 0, width: 200, height: 100 },
      [],
    );
    expect(box).toMatchObject({ left: 56, top: 44, isFar: false });
  });
});

describe("drawings", () => {
  it("place a point where its axes say", () => {
    const svg = writeSvg(
      drawPlot({
        title: "one point",
        width: 400,
        height: 300,
        x: { label: "x", range: [0, 10] },
        y: { label: "y", range: [0, 10] },
        series: [{ name: "", kind: "points", points: [{ x: 5, y: 6, low: 4, high: 7, label: "a < b" }] }],
      }),
    );
    const [, cx, cy] = svg.match(/<circle cx="([\d.]+)" cy="([\d.]+)"/) ?? [];
    // The lines of the ticks 5 and 6 cross there.
    expect(svg).toContain(`x1="${cx}"`);
    expect(svg).toContain(`y1="${cy}"`);
    expect(svg).toContain("a &lt; b");
  });

  it("make bars as long as their values", () => {
    const svg = writeSvg(
      drawBars({
        title: "bars",
        axis: { label: "ms" },
        series: ["s"],
        rows: [
          { name: "one", values: [{ value: 1 }] },
          { name: "two", values: [{ value: 2, low: 1.5, high: 2.5 }] },
        ],
      }),
    );
    const widths = [...svg.matchAll(/width="([\d.]+)" height="11" class="mark/g)].map(([, width]) => Number(width));
    expect(widths[1]! / widths[0]!).toBeCloseTo(2, 1);
  });

  it("shade a confusion matrix by rows", () => {
    const svg = writeSvg(
      drawMatrix({
        title: "confusion",
        rowLabel: "true",
        columnLabel: "predicted",
        rows: ["cat", "dog"],
        columns: ["cat", "dog"],
        values: [
          [3, 1],
          [0, 5],
        ],
      }),
    );
    const opacities = [...svg.matchAll(/fill-opacity="([\d.]+)"/g)].map(([, opacity]) => Number(opacity));
    expect(opacities).toEqual([0.64, 0.21, 0, 0.85]);
    expect(svg).toContain("cat → dog: 1");
  });

  it("keep the shape of clouds: one unit across as long as one up", () => {
    const square = [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 1],
    ];
    const svg = writeSvg(drawPanels({ title: "square", panels: [{ title: "p", points: square }] }));
    const points = [...svg.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)] as const);
    expect(points[1]![0] - points[0]![0]).toBeCloseTo(points[0]![1] - points[3]![1], 6);
  });

  it("take empty data", () => {
    const axes = { x: { label: "x" }, y: { label: "y" } };
    expect(() => writeSvg(drawPlot({ title: "nothing", ...axes, series: [] }))).not.toThrow();
    expect(() => writeSvg(drawBars({ title: "nothing", axis: axes.x, series: [], rows: [] }))).not.toThrow();
    expect(() =>
      writeSvg(drawMatrix({ title: "", rowLabel: "", columnLabel: "", rows: [], columns: [], values: [] })),
    ).not.toThrow();
  });
});

describe("writePage", () => {
  it("escapes what it is given, and needs nothing from outside", () => {
    const page = writePage({
      title: "<b>",
      lead: "a & b",
      facts: [["x", '"y"']],
      sections: [
        {
          heading: "<h>",
          parts: [
            { kind: "table", columns: [{ title: "<t>" }], rows: [["<c>"]] },
            { kind: "findings", findings: [{ verdict: "yes", word: "<w>", text: "<f>" }] },
          ],
        },
      ],
    });
    expect(page).not.toMatch(/<(b|h|t|c|w|f)>/);
    expect(page).not.toMatch(/<script|src=|href="http|url\(|@import/);
  });
});
