import { expect, test } from "vitest";
import { batchesInMemory } from "../datasets/batches_in_memory.ts";
import { drawShapes } from "../datasets/shapes.ts";
import { ideas } from "./idea_twins.ts";
import type { IdeasResult } from "./ideas.ts";
import { reportOf } from "./run_lab.ts";
import { type IdeasTraining, trainIdeas } from "./train_ideas.ts";

const images = 128;
const pictures = drawShapes({ count: images, split: "train" });

/** A training that counts how often its pictures are opened, and closed again. */
function countedTraining() {
  const opened: string[] = [];
  let open = 0;
  const training: IdeasTraining = {
    ...{ data: "shapes", epochs: 1, images },
    open({ name, preprocessing }, { batch, seed }) {
      opened.push(name);
      open++;
      return {
        batches: images / batch,
        epoch: (epoch) => batchesInMemory(pictures, { batch, preprocessing, seed, epoch, augmentation: undefined }),
        validation: () => batchesInMemory(pictures, { batch: images, preprocessing }),
        async [Symbol.asyncDispose]() {
          open--;
        },
      };
    },
  };
  return { training, opened, stillOpen: () => open };
}

test("ideas of one network train it once, twins apart, and close what they opened", async () => {
  const chosen = ideas.filter(({ id }) => id === "groups" || id === "shuffle");
  const { training, opened, stillOpen } = countedTraining();
  const shares: number[] = [];
  const accuracies = await trainIdeas(chosen, training, 0, (share) => shares.push(share));
  expect(opened).toHaveLength(3);
  expect(stillOpen()).toBe(0);
  const [groups, shuffle] = [accuracies.get("groups"), accuracies.get("shuffle")];
  expect(groups?.withIdea).toEqual(shuffle?.withIdea);
  // Dense pointwise convolutions cost more, a missing shuffle nothing.
  expect(groups?.withoutIdea.macs).toBeGreaterThan(groups?.withIdea.macs ?? Number.NaN);
  expect(shuffle?.withoutIdea.macs).toBe(shuffle?.withIdea.macs);
  for (const { top1 } of [groups?.withoutIdea, shuffle?.withoutIdea, shuffle?.withIdea].flatMap((each) => each ?? []))
    expect(top1).toBeGreaterThanOrEqual(0);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBeCloseTo(1, 12);
});

test("the report says what an idea is worth, in points", () => {
  const estimate = { value: 1, low: 1, high: 1 };
  const cost = { parameters: 10, macs: 20, memoryAccessBytes: 30 };
  const result: IdeasResult = {
    lab: "ideas",
    format: 1,
    device: { processor: "p", engine: "e", threads: 1, version: "v", date: "2026-01-01" },
    settings: { trainedOn: "cifar10", epochs: 2, imagesOfEpoch: 50_000 },
    seconds: 1,
    findings: [],
    figures: [],
    samples: [],
    data: [
      {
        ...{ id: "shuffle", title: "Channel shuffle", paper: "p", twin: "t", withIdea: cost, withoutIdea: cost },
        latencies: [{ threads: 1, withIdea: estimate, withoutIdea: estimate, ratio: estimate }],
        accuracy: {
          withIdea: { parameters: 1, macs: 2, top1: 0.71 },
          withoutIdea: { parameters: 1, macs: 2, top1: 0.745 },
        },
      },
    ],
  };
  const section = reportOf(result).sections.find(({ heading }) => heading === "What it is worth in accuracy");
  expect(JSON.stringify(section)).toContain("−3.5 points");
  expect(JSON.stringify(section)).toContain("2 epochs of 50000 pictures of cifar10");
});
