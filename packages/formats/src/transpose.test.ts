import { describe, expect, it } from "vitest";
import { transpose } from "./transpose.ts";

describe("transpose", () => {
  it("puts axes into another order", () => {
    const rows = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect(transpose(rows, [2, 3], [1, 0])).toEqual({ data: Float32Array.of(1, 4, 2, 5, 3, 6), shape: [3, 2] });
    expect(transpose(rows, [2, 3], [0, 1])).toEqual({ data: rows, shape: [2, 3] });
  });

  it("puts each element where its indices say, in four dimensions", () => {
    const shape = [2, 3, 4, 5];
    const data = Float32Array.from({ length: 120 }, (_, i) => i);
    const { data: moved } = transpose(data, shape, [3, 1, 0, 2]);
    for (let a = 0; a < 2; a++)
      for (let b = 0; b < 3; b++)
        for (let c = 0; c < 4; c++)
          for (let d = 0; d < 5; d++) expect(moved[((d * 3 + b) * 2 + a) * 4 + c]).toBe(((a * 3 + b) * 4 + c) * 5 + d);
  });
});
