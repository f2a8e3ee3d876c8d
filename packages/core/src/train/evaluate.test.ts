import { expect, test } from "vitest";
import { graphBuilder } from "../graph/builder.ts";
import type { Network } from "../networks/network.ts";
import { preprocessingPresets } from "../pixels/preprocessing_presets.ts";
import { tensor } from "../tensor.ts";
import { evaluate } from "./evaluate.ts";

const classes = 7;

/** A network whose logits are its input: one pixel with a channel a class. */
function identity(): { readonly network: Network; readonly weights: Map<string, ReturnType<typeof tensor>> } {
  const builder = graphBuilder("identity");
  const input = builder.input("input", [1, 1, 1, classes]);
  const pooled = builder.globalAveragePool("pool", input);
  const logits = builder.linear("classifier", builder.flatten("flat", pooled), { channels: classes });
  const graph = builder.build({ output: logits });
  const kernel = Float32Array.from({ length: classes * classes }, (_, i) => (i % (classes + 1) === 0 ? 1 : 0));
  const weights = new Map(
    graph.nodes.flatMap(({ name, operation, shape }) => {
      if (operation.op !== "parameter") return [];
      const length = shape.reduce((product, side) => product * side, 1);
      return [[name, tensor(shape, length === kernel.length ? kernel : new Float32Array(length))] as const];
    }),
  );
  const network = {
    ...{ name: "identity", family: undefined, options: {}, graph, classes },
    preprocessing: preprocessingPresets.cifar10,
  } as unknown as Network;
  return { network, weights };
}

function batchOf(logits: readonly (readonly number[])[], truths: readonly number[], rows = logits.length) {
  const pictures = new Float32Array(rows * classes);
  const targets = new Float32Array(rows * classes);
  logits.forEach((row, i) => {
    pictures.set(row, i * classes);
    targets[i * classes + (truths[i] as number)] = 1;
  });
  return { pictures, targets, count: logits.length };
}

test("counts best answers, the best five, confusion and loss, picture by picture", async () => {
  const { network, weights } = identity();
  const steps = [6, 5, 4, 3, 2, 1, 0];
  // Right; second; fifth; sixth.
  const batches = [batchOf([steps, steps], [0, 1]), batchOf([steps, steps], [4, 5], 5)];
  const seen: (readonly [number, number, number])[] = [];
  const result = await evaluate(network, batches, {
    weights,
    onPicture: (number, truth, probabilities) => seen.push([number, truth, probabilities.reduce((a, b) => a + b, 0)]),
  });
  expect(result).toMatchObject({ images: 4, top1: 0.25, top5: 0.75 });
  expect(result.confusion.map((row) => row[0])).toEqual([1, 1, 0, 0, 1, 1, 0]);
  const logSum = Math.log(steps.reduce((sum, value) => sum + Math.exp(value), 0));
  const expected = [6, 5, 2, 1].reduce((sum, logit) => sum + (logSum - logit) / 4, 0);
  expect(result.loss).toBeCloseTo(expected, 5); // float32
  expect(seen.map(([number, truth]) => [number, truth])).toEqual([
    [0, 0],
    [1, 1],
    [2, 4],
    [3, 5],
  ]);
  for (const [, , sum] of seen) expect(sum).toBeCloseTo(1, 5);
});

test("a network that says the same of all classes is right for one of them, not for all", async () => {
  const { network, weights } = identity();
  const none = new Array<number>(classes).fill(0);
  const truths = Array.from({ length: classes }, (_, i) => i);
  const result = await evaluate(
    network,
    [
      batchOf(
        truths.map(() => none),
        truths,
      ),
    ],
    { weights },
  );
  expect(result.top1).toBeCloseTo(1 / classes, 12);
  expect(result.top5).toBeCloseTo(5 / classes, 12);
  expect(result.loss).toBeCloseTo(Math.log(classes), 5);
});

test("numbers that are none are never right", async () => {
  const { network, weights } = identity();
  const result = await evaluate(network, [batchOf([new Array<number>(classes).fill(Number.NaN)], [0])], { weights });
  expect(result.top1).toBe(0);
  expect(result.top5).toBe(0);
  expect(result.loss).toBeNaN();
});

test("huge logits leave the loss finite; no pictures give zeros", async () => {
  const { network, weights } = identity();
  const row = [1e30, ...new Array<number>(classes - 1).fill(0)];
  const { loss } = await evaluate(network, [batchOf([row], [1])], { weights });
  expect(Number.isFinite(loss)).toBe(true);
  expect(loss).toBeGreaterThan(50);
  expect(await evaluate(network, [], { weights })).toMatchObject({ images: 0, top1: 0, loss: 0 });
});

test("a signal ends it with its reason", async () => {
  const { network, weights } = identity();
  const stop = new AbortController();
  const run = evaluate(
    network,
    [
      batchOf(
        [
          [1, 0, 0, 0, 0, 0, 0],
          [1, 0, 0, 0, 0, 0, 0],
        ],
        [0, 0],
      ),
    ],
    {
      weights,
      signal: stop.signal,
      onPicture: () => stop.abort(new RangeError("enough")),
    },
  );
  await expect(run).rejects.toThrow("enough");
});
