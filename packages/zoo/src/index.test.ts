import { readFile } from "node:fs/promises";
import { describe as costOf, readNetwork, readSafetensors } from "@depthwise/core";
import { families } from "@depthwise/core/networks";
import { describe, expect, test } from "vitest";
import { isTrained, recordUrl, type TrainingRecord, trainedNetworks, weightsUrl } from "./index.ts";

test("there is one network of every family", () => {
  expect(trainedNetworks.map((name) => name.replace("_cifar", "")).sort()).toEqual(Object.keys(families).sort());
});

test("names are told apart", () => {
  expect(isTrained("mobilenet_v2_cifar")).toBe(true);
  expect(isTrained("mobilenet_v2_1.0_224")).toBe(false);
});

describe.each(trainedNetworks)("%s", (name) => {
  test("its file holds the network, its labels and float16 weights, all of them numbers", async () => {
    const bytes = await readFile(weightsUrl(name));
    const { network, weights } = readNetwork(bytes, { file: name });
    expect(network.name).toBe(name);
    expect(network.labels).toHaveLength(10);
    for (const { dtype } of readSafetensors(bytes).tensors.values()) expect(dtype).toBe("f16");
    for (const [parameter, { data }] of weights) {
      expect([parameter, (data as Float32Array).every(Number.isFinite)]).toEqual([parameter, true]);
    }
  });

  test("its record says what the network costs, and how it was trained within the budget", async () => {
    const record: TrainingRecord = JSON.parse(await readFile(recordUrl(name), "utf8"));
    const { network } = readNetwork(await readFile(weightsUrl(name)));
    expect(record).toMatchObject({ network: name, data: "cifar10", test: { images: 10_000 } });
    const { parameters, macs } = costOf(network);
    expect(record).toMatchObject({ parameters, macs });
    expect(macs).toBeLessThanOrEqual(12e6);
    expect(record.imagesSeen).toBeLessThanOrEqual(2.5e6);
    expect(record.command).toContain(`train cifar10 --model ${name}`);
    const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
    const [grouped, top1] = [(count: number) => count.toLocaleString("en"), (100 * record.test.top1).toFixed(2)];
    const figures = [parameters, macs, record.imagesSeen].map(grouped).join(" | ");
    expect(readme).toContain(`| \`${name}\` | ${figures} | ${top1} % |`);
    // Float16 costs next to nothing.
    const best = Math.max(...record.epochs.map(({ validationTop1 }) => validationTop1));
    expect(Math.abs(record.test.top1 - best)).toBeLessThan(0.005);
  });
});
