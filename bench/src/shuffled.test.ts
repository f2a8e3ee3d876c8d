import { describe, expect, it } from "vitest";
import { seededRandom } from "../../packages/core/src/random.ts";
import { shuffled } from "./shuffled.ts";

describe("shuffled", () => {
  it("gives every order equally often, and leaves the items alone", () => {
    const random = seededRandom(7, "orders");
    const items = ["a", "b", "c"];
    const counts = new Map<string, number>();
    const draws = 6000;
    for (let i = 0; i < draws; i++) {
      const order = shuffled(items, random.below).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(items).toEqual(["a", "b", "c"]);
    expect(counts.size).toBe(6);
    // Five standard deviations of a count of one sixth.
    const most = 5 * Math.sqrt((draws * 5) / 36);
    for (const count of counts.values()) expect(Math.abs(count - draws / 6)).toBeLessThan(most);
  });
});
