import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError } from "./errors.ts";
import { seededRandom, shuffled } from "./random.ts";

// From a port to Python with its big integers and its math.log, written from the description of the algorithm.
const known = [
  {
    seed: 0,
    name: "",
    integers: [2346952176, 2133402021, 422098586, 1769265641],
    normals: [3.0738494166831476, -0.2170006535562325, -0.8635320495330554, -0.18929303258046723],
  },
  {
    seed: 1,
    name: "",
    integers: [1002965355, 3136733078, 4189659900, 753398374],
    normals: [-0.8956100718139055, 0.7741088617481495, 1.3050281686263205, 1.1608515099217276],
  },
  {
    seed: 0,
    name: "stem/kernel",
    integers: [2887512046, 4106389477, 693064051, 204401841],
    normals: [0.11221683663767161, 0.2970456485123638, -0.8773453971457597, -1.013785514906182],
  },
  {
    seed: Number.MAX_SAFE_INTEGER,
    name: "élan 🦊",
    integers: [3393611896, 1378063298, 3419955025, 2576094447],
    normals: [1.0528347753228302, -0.6500715336653402, 1.2988466857552037, 0.43749488265309705],
  },
];

describe("seededRandom", () => {
  it.each(known)(
    "gives the known integers and normals of seed $seed, name “$name”",
    ({ seed, name, integers, normals }) => {
      const random = seededRandom(seed, name);
      expect(integers.map(() => random.uint32())).toEqual(integers);
      const again = seededRandom(seed, name);
      for (const normal of normals) expect(again.normal()).toBeCloseTo(normal, 13);
    },
  );

  it("gives normals of mean 0, variance 1, skewness 0 and kurtosis 3", () => {
    const random = seededRandom(5, "moments");
    const count = 400_000;
    const sums = [0, 0, 0, 0];
    let within = 0;
    for (let i = 0; i < count; i++) {
      const value = random.normal();
      for (let power = 0; power < 4; power++) sums[power] = (sums[power] as number) + value ** (power + 1);
      if (Math.abs(value) < 1) within++;
    }
    const [mean, variance, skewness, kurtosis] = sums.map((sum) => sum / count);
    // Five standard errors: sqrt(1, 2, 15, 96) / sqrt(count), and of a share of 0.6827.
    expect(Math.abs(mean as number)).toBeLessThan(0.008);
    expect(Math.abs((variance as number) - 1)).toBeLessThan(0.0112);
    expect(Math.abs(skewness as number)).toBeLessThan(0.031);
    expect(Math.abs((kurtosis as number) - 3)).toBeLessThan(0.078);
    expect(Math.abs(within / count - 0.682689)).toBeLessThan(0.0037);
  });

  it("gives uniform numbers of [0, 1), and whole numbers below a bound, equally often", () => {
    const random = seededRandom(6);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) {
      const value = random.uniform();
      expect(value >= 0 && value < 1).toBe(true);
      const whole = random.below(7);
      counts[whole] = (counts[whole] as number) + 1;
    }
    expect(counts.length).toBe(7);
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(470); // five deviations of a share of 1/7
  });

  it("gives streams that differ by seed and by name", () => {
    const first = (seed: number, name: string): number => seededRandom(seed, name).uint32();
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.string(), fc.string(), (seed, a, b) => {
        fc.pre(a !== b);
        expect(first(seed, a)).not.toBe(first(seed, b));
        expect(first(seed, a)).not.toBe(first((seed + 1) % Number.MAX_SAFE_INTEGER, a));
        expect(first(seed, a)).toBe(first(seed, a));
      }),
      { numRuns: 300, seed: 1 }, // a fixed seed: two of 2^32 first numbers may coincide by chance
    );
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53])("refuses the seed %d", (seed) => {
    expect(() => seededRandom(seed)).toThrow(OptionError);
  });
});

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
