import { describe, expect, it } from "vitest";
import { compile } from "../compiler/compile.ts";
import { FormatError, OptionError } from "../errors.ts";
import { graphBuilder } from "../graph/builder.ts";
import { build } from "../networks/build.ts";
import { diffLabs, diffPage, parseLabResult } from "./diff.ts";
import { paretoFront, runFlops } from "./flops.ts";
import { runGuidelines } from "./guidelines.ts";
import { runIdeas } from "./ideas.ts";
import type { LabDevice, LabResult } from "./lab.ts";
import { bookletPage, labPage } from "./lab_page.ts";
import { latencyTable, predictLatency, stepKey } from "./latency_model.ts";
import { runManifold } from "./manifold_lab.ts";
import { measureInTurns } from "./measure_in_turns.ts";
import { runTable8 } from "./table8.ts";

const device: LabDevice = {
  processor: "test <&>",
  engine: "vitest",
  threads: 1,
  version: "0.0.0",
  date: "2026-01-02T03:04:05Z",
};
const quick = { device, sessions: 2, rounds: 2, warmUp: 0 };

describe("every lab", () => {
  it("guidelines: measures each version with and without fusion, beside the paper's ratios", async () => {
    const result = await runGuidelines({ ...quick, size: { resolution: 6, repeats: 1 }, multiples: [1] });
    expect(result.data).toHaveLength(2 * (4 + 4 + 5 + 4));
    const worst = result.data.find(({ version, fuse }) => version === "1:12" && fuse);
    expect(worst?.paper.gpu).toBeCloseTo(748 / 1480, 12);
    expect(worst?.paper.arm).toBeCloseTo(57.6 / 76.2, 12);
    // Two 1x1 convolutions have nothing to fuse; a bottleneck with ReLU has.
    expect(result.data.filter(({ experiment, isSame }) => experiment === "widths" && !isSame)).toEqual([]);
    expect(result.data.find(({ version }) => version === "ReLU")?.isSame).toBe(false);
    expect(result.findings.map(({ text }) => text.slice(0, 12))).toEqual(
      expect.arrayContaining(["Guideline 1,", "Guideline 2,", "Guideline 3,", "Guideline 4,"]),
    );
    checkResult(result);
  });

  it("table8: an order for each level", async () => {
    const result = await runTable8({ ...quick, levels: ["40"], sessions: 1, rounds: 2 });
    expect(result.data.measured).toHaveLength(6);
    expect(result.data.orders).toHaveLength(1);
    checkResult(result);
  });

  it("manifold: five figures for each n and activation", async () => {
    const result = await runManifold({ device, seeds: 3, dimensions: [2, 15] });
    expect(result.figures).toHaveLength(4 * 2 * 5);
    checkResult(result);
  });

  it("ideas: costs, connections, and the ratio of times", async () => {
    const result = await runIdeas({ ...quick, only: ["interleaving"] });
    const [idea] = result.data;
    expect(idea?.withIdea.connected).toBe(1);
    expect(idea?.withoutIdea.connected).toBeLessThan(0.5);
    checkResult(result);
  });

  it("flops: times, predictions, the front", async () => {
    const result = await runFlops({
      ...quick,
      variants: ["mobilenet_v1_0.25_128", "mobilenet_v2_0.35_96", "igcv1_l24m2_cifar"],
    });
    expect(result.data.variants).toHaveLength(3);
    for (const { predicted } of result.data.variants) expect(predicted).toBeGreaterThan(0);
    checkResult(result);
  });

  it("the booklet holds all of them", async () => {
    const results = [
      await runManifold({ device, seeds: 2, dimensions: [2, 15] }),
      await runIdeas({ ...quick, only: ["interleaving"] }),
    ];
    const page = bookletPage(results);
    expect(page).toContain("What an activation does to a manifold");
    expect(page).toContain("Every idea and its price");
  });
});

/** What every result and its page must be. */
function checkResult(result: LabResult): void {
  const ids = result.figures.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(result.figures.filter(({ value }) => !Number.isFinite(value))).toEqual([]);
  const text = JSON.stringify(result);
  const again = parseLabResult(text, "result.json");
  expect(again.figures).toEqual(result.figures);
  const page = labPage(again);
  expect(page).toContain("test &lt;&amp;&gt;");
  // Self-contained: nothing is fetched, nothing runs.
  expect(page).not.toMatch(/<script|src=|href="http|url\(|@import/);
  expect(page).not.toMatch(/NaN|undefined|\[object/);
  const same = diffLabs(result, again);
  expect(same.differences.filter(({ differs }) => differs)).toEqual([]);
  expect(same.unmatched).toEqual([]);
  expect(diffPage(same)).toContain("<!doctype html>");
}

describe("diffLabs", () => {
  const figure = (id: string, value: number, spread: number) => ({
    id,
    unit: "ms" as const,
    value,
    low: value - spread,
    high: value + spread,
  });
  const result = (figures: LabResult["figures"], lab: LabResult["lab"] = "flops"): LabResult => ({
    lab,
    format: 1,
    device,
    settings: {},
    seconds: 1,
    findings: [],
    figures,
    data: {},
    samples: [],
  });

  it("finds what differs by more than its runs do", () => {
    const { differences, timeRatio, unmatched } = diffLabs(
      result([figure("a", 10, 1), figure("b", 10, 1), figure("gone", 1, 1)]),
      result([figure("a", 10.5, 1), figure("b", 20, 1), figure("new", 1, 1)]),
    );
    expect(differences.map(({ id, differs }) => [id, differs])).toEqual([
      ["a", false],
      ["b", true],
    ]);
    expect(unmatched).toEqual(["gone", "new"]);
    expect(timeRatio).toBeCloseTo((1.05 + 2) / 2, 12);
  });

  it("refuses results of two labs", () => {
    expect(() => diffLabs(result([], "flops"), result([], "ideas"))).toThrow(OptionError);
  });

  it.each([
    "",
    "{",
    "null",
    "[]",
    '{"format":1,"lab":"nothing"}',
    '{"format":1,"lab":"flops","device":{},"figures":[{}]}',
  ])("refuses %s as a result", (text) => {
    expect(() => parseLabResult(text, "x.json")).toThrow(FormatError);
  });
});

describe("paretoFront", () => {
  it("keeps what no other network beats in both", () => {
    const network = (name: string, time: number, top1?: number) => ({
      name,
      family: "any",
      macs: 1,
      memoryAccessBytes: 1,
      parameters: 1,
      milliseconds: { value: time, low: time, high: time },
      predicted: time,
      ...(top1 === undefined ? {} : { top1 }),
    });
    const all = [
      network("slow and good", 9, 70),
      network("quick", 1, 50),
      network("beaten", 5, 49),
      network("equal", 5, 50),
    ];
    const front = paretoFront([
      ...all,
      network("unrated", 0.1),
      network("middle", 2, 60),
      network("same time, worse", 2, 55),
    ]);
    expect(front.map(({ name }) => name)).toEqual(["quick", "middle", "slow and good"]);
  });
});

describe("the latency model", () => {
  it("tells apart steps that share a kernel and do other work", () => {
    const { steps } = compile(build("shufflenet_v2_1.0")).manifest;
    const reduce = (unit: number) => steps.find(({ name }) => name.startsWith(`stage3/unit${unit}/branch2/reduce`))!;
    expect(reduce(4).kernels).toEqual(reduce(6).kernels);
    expect(stepKey(reduce(4))).not.toBe(stepKey(reduce(6)));
  });

  const step = (op: string, macs: number, kernel: string) => ({ op, macs, kernels: [kernel] });
  const table = latencyTable(device, 1, [
    { key: "convolution:100:a", op: "convolution", macs: 100, milliseconds: [1, 2, 9] },
    { key: "convolution:100:a", op: "convolution", macs: 100, milliseconds: [2, 2] },
    { key: "convolution:400:b", op: "convolution", macs: 400, milliseconds: [4] },
    { key: "add:0:c", op: "add", macs: 0, milliseconds: [0.5] },
  ]);

  it("adds the medians of known steps", () => {
    const prediction = predictLatency(table, [
      step("convolution", 100, "a"),
      step("convolution", 400, "b"),
      step("add", 0, "c"),
    ]);
    expect(prediction).toEqual({ milliseconds: 2 + 4 + 0.5, knownShare: 1 });
  });

  it("estimates unknown steps from those of the same operation", () => {
    // 0.02 and 0.01 ms for each multiply-accumulate: 0.015 in the middle.
    const { milliseconds, knownShare } = predictLatency(table, [
      step("convolution", 200, "new"),
      step("add", 0, "other"),
    ]);
    expect(milliseconds).toBeCloseTo(200 * 0.015 + 0.5, 12);
    expect(knownShare).toBe(0);
  });
});

describe("measureInTurns", () => {
  const small = (channels: number) => () => {
    const builder = graphBuilder("small");
    const x = builder.input("input", [1, 4, 4, 3]);
    return builder.build({ output: builder.convolution("conv", x, { channels }) });
  };

  it("takes every contender once a round in every session, and a module only once", async () => {
    const shares: number[] = [];
    const samples = await measureInTurns(
      [
        [
          { name: "a", graph: small(4) },
          { name: "b", graph: small(4) },
        ],
        [{ name: "c", graph: small(8), profile: true }],
      ],
      {
        sessions: 2,
        rounds: 3,
        seed: 0,
        warmUp: 0,
        onProgress: (share) => shares.push(share),
      },
    );
    expect(samples.get("a")?.milliseconds.map(({ length }) => length)).toEqual([3, 3]);
    expect(samples.get("b")).toMatchObject({ sameAs: "a", milliseconds: samples.get("a")?.milliseconds });
    expect(samples.get("c")?.steps?.map(({ name, milliseconds }) => [name, milliseconds.length])).toEqual([
      ["conv", 6],
    ]);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  });

  it("stops at once when it is told to", async () => {
    const abort = new AbortController();
    const work = measureInTurns([[{ name: "a", graph: small(4) }]], {
      sessions: 1000,
      rounds: 1000,
      seed: 0,
      warmUp: 0,
      signal: abort.signal,
      onProgress: (share) => share > 0 && abort.abort(),
    });
    await expect(work).rejects.toThrow(/abort/i);
  });

  it.each([
    ["no rounds", { rounds: 0 }],
    ["half a session", { sessions: 0.5 }],
  ])("refuses %s", async (_, wrong) => {
    const options = { sessions: 1, rounds: 1, seed: 0, warmUp: 0, ...wrong };
    await expect(measureInTurns([[{ name: "a", graph: small(4) }]], options)).rejects.toThrow(OptionError);
  });

  it("refuses a name twice", async () => {
    const twice = [[{ name: "a", graph: small(4) }], [{ name: "a", graph: small(8) }]];
    await expect(measureInTurns(twice, { sessions: 1, rounds: 1, seed: 0, warmUp: 0 })).rejects.toThrow(
      /two contenders/i,
    );
  });
});
