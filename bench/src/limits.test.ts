import { describe, expect, it } from "vitest";
import { reportLimits, summarise } from "./limits.ts";

const layers = [
  { layer: "stem", work: 0.25, alone: 0.5 },
  { layer: "body", work: 0.75, alone: 1 },
];

describe("summarise", () => {
  it("adds up times, not shares, and puts the layer with most work first", () => {
    // A quarter of the work takes twice its time: 0.5 + 0.75.
    expect(summarise(layers).alone).toBeCloseTo(0.8);
    expect(summarise(layers).layers.map(({ layer }) => layer)).toEqual(["body", "stem"]);
  });
});

describe("reportLimits", () => {
  it("says what the core gives, what the network reaches of it, and each layer's part", () => {
    const text = reportLimits({ sustained: 0.945, network: 0.9, ...summarise(layers) });
    for (const part of ["94.5 %", "90.0 %", "80.0 %", "stem", "25.0 %", "50.0 %"]) expect(text).toContain(part);
  });
});
