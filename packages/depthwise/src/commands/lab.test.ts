import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LabResult } from "@depthwise/core/lab";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { thisDevice } from "../lab_reports/device.ts";
import { rememberLatencyTable } from "../lab_reports/latency_cache.ts";
import { timeLeft } from "../lab_reports/time_left.ts";
import { depthwise, json } from "../testing/run_cli.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise-lab-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("depthwise lab", { timeout: 120_000 }, () => {
  it("writes a page and a document, and prints what was found", async () => {
    const ended = await depthwise(["lab", "manifold", "-o", folder]);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stdout).toContain("Reproduced. Few dimensions lose information to ReLU");
    expect(await readdir(folder)).toEqual(["manifold.html", "manifold.json"]);
    expect(await readFile(join(folder, "manifold.html"), "utf8")).toMatch(/^<!doctype html>/);
    const document = join(folder, "manifold.json");
    const result = JSON.parse(await readFile(document, "utf8")) as LabResult;
    expect(result).toMatchObject({ lab: "manifold", format: 1, device: { engine: `Node ${process.versions.node}` } });

    const same = await depthwise(["lab", "diff", document, document]);
    expect(same).toMatchObject({
      code: 0,
      stdout: "0 of 100 figures differ by more than runs of one device do (0 %).\n",
    });
    const told = json<{ differences: unknown[] }>(await depthwise(["lab", "diff", document, document, "--json"]));
    expect(told.differences).toHaveLength(100);
  });

  it("predicts networks from what it remembers", async () => {
    const env = { XDG_CACHE_HOME: folder };
    const nothing = await depthwise(["lab", "predict", "mobilenet_v2_0.35_96"], { env });
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).toContain("Run once: depthwise lab flops");
    const device = thisDevice();
    const { XDG_CACHE_HOME: before } = process.env;
    process.env.XDG_CACHE_HOME = folder;
    try {
      const steps = { "convolution:1:a": { op: "convolution", macs: 1e6, milliseconds: 0.5, samples: 1 } };
      await rememberLatencyTable({ format: 1, device, threads: 1, steps }, device);
    } finally {
      if (before === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = before;
    }
    const [prediction] = json<{ milliseconds: number; knownShare: number }[]>(
      await depthwise(["lab", "predict", "mobilenet_v2_0.35_96", "--json"], { env }),
    );
    // 10.6 million multiply-accumulates in convolutions, at 2 million a millisecond.
    expect(prediction?.milliseconds).toBeGreaterThan(4.5);
    expect(prediction?.milliseconds).toBeLessThan(6);
    expect(prediction?.knownShare).toBe(0);
  });

  it.each([
    [["lab"], "missing required argument"],
    [["lab", "guideline"], 'Did you mean "guidelines"'],
    [["lab", "manifold", "again"], '"again" follows'],
    [["lab", "all"], "--output FOLDER is missing"],
    [["lab", "diff", "one.json"], "two files are expected"],
    [["lab", "predict"], "the name of a network is missing"],
  ])("%j is wrong usage", async (words, message) => {
    const ended = await depthwise(words);
    expect(ended.code).toBe(2);
    expect(ended.stderr.toLowerCase()).toContain(message.toLowerCase());
  });

  it("refuses files that no lab wrote", async () => {
    const file = join(folder, "other.json");
    await writeFile(file, "{}");
    const ended = await depthwise(["lab", "diff", file, file]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("other.json: expected the JSON of a lab");
  });
});

describe("timeLeft", () => {
  it("says nothing at the beginning, and reckons from the share done", async () => {
    const left = timeLeft();
    expect(left(0)).toBe("");
    expect(left(0.5)).toMatch(/^about \d+ s left$/);
  });
});
