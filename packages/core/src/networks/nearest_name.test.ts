import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editDistance, nearestName, suggestion } from "./nearest_name.ts";

describe("editDistance", () => {
  it.each([
    ["kitten", "sitting", 3],
    ["widht", "width", 1],
    ["", "abc", 3],
    ["ca", "abc", 3],
  ])("of %o and %o is %i", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  it("is symmetric, zero for equal words alone, and at most the longer length", () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(editDistance(a, b, 3)).toBe(Math.min(distance, 3));
      }),
    );
  });
});

describe("nearestName", () => {
  const names = ["mobilenet_v2", "squeezenet", "xception"];
  it("forgives case, separators and a third of the letters", () => {
    expect(nearestName("MobileNet-V2", names)).toBe("mobilenet_v2");
    expect(nearestName("sqeeznet", names)).toBe("squeezenet");
    expect(nearestName("inception", names)).toBe("xception");
  });

  it("stays silent when nothing is near", () => {
    expect(nearestName("resnet", ["xception"])).toBeUndefined();
    expect(suggestion("resnet", [])).toBeUndefined();
    expect(suggestion("xceptoin", names)).toBe('Did you mean "xception"?');
  });
});
