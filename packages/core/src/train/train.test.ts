import { describe, expect, test } from "vitest";
import type { PictureHistory } from "../datasets/epoch_draws.ts";
import { DepthwiseError, OptionError } from "../errors.ts";
import { initializeWeights } from "../graph/initialize.ts";
import { interpret } from "../graph/interpret.ts";
import type { Network } from "../networks/network.ts";
import type { Weights } from "../tensor.ts";
import { shapesData, shapesNetwork, shortRecipe } from "../testing/small_training.ts";
import { headParameters } from "./head.ts";
import type { Recipe } from "./recipe.ts";
import type { TrainingBatch } from "./run_epoch.ts";
import type { Teacher } from "./teacher.ts";
import { type Checkpoint, type EpochResult, type TrainingData, type TrainOptions, train } from "./train.ts";

const network = shapesNetwork({ smallStem: false });
const first = initializeWeights(network.graph, 0);
const data = shapesData(network, shortRecipe, { train: 48, validation: 20 });

interface Ran {
  readonly results: readonly EpochResult[];
  readonly weights: Weights;
}

async function run(
  recipe: Recipe = shortRecipe,
  options: Partial<TrainOptions> = {},
  from: TrainingData = data,
): Promise<Ran> {
  const results: EpochResult[] = [];
  let weights: Weights = new Map();
  for await (const result of train(network, from, recipe, { weights: first, ...options })) {
    results.push(result);
    weights = result.weights();
  }
  return { results, weights };
}

function expectSameBits(actual: Weights, expected: Weights): void {
  expect([...actual.keys()]).toEqual([...expected.keys()]);
  for (const [name, { data: numbers }] of expected) {
    const other = actual.get(name)?.data as Float32Array;
    expect([name, Buffer.compare(Buffer.from(other.buffer), Buffer.from(numbers.buffer))]).toEqual([name, 0]);
  }
}

describe("train", () => {
  test("gives a record an epoch, and the same weights for one thread and two", async () => {
    const one = await run();
    expect(one.results.map(({ record }) => [record.epoch, record.of])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    for (const { record, evaluation } of one.results) {
      expect(record.validationTop1).toBe(evaluation?.top1);
      expect(evaluation?.images).toBe(20);
      expect(record.trainLoss).toBeGreaterThan(0);
      expect(record.trainTop1).toBeGreaterThanOrEqual(0);
    }
    expectSameBits((await run(shortRecipe, { threads: 2 })).weights, one.weights);
  });

  test("goes on from a checkpoint of any step to the same weights and records", async () => {
    const whole = await run();
    const checkpoints: Checkpoint[] = [];
    await run(shortRecipe, { onStep: (_done, _of, { checkpoint }) => checkpoints.push(checkpoint()) });
    const steps = 2 * data.batches;
    expect(checkpoints).toHaveLength(steps);
    for (const checkpoint of checkpoints) {
      const rest = await run(shortRecipe, { resume: checkpoint, weights: new Map() });
      expectSameBits(rest.weights, whole.weights);
      const { epoch, trainLoss, trainTop1, validationLoss } = rest.results.at(-1)?.record ?? {};
      expect({ epoch, trainLoss, trainTop1, validationLoss }).toEqual({
        epoch: 2,
        trainLoss: whole.results[1]?.record.trainLoss,
        trainTop1: whole.results[1]?.record.trainTop1,
        validationLoss: whole.results[1]?.record.validationLoss,
      });
    }
  });

  test("goes on after an epoch, and does nothing after the last", async () => {
    let [middle, end]: (Checkpoint | undefined)[] = [];
    let weights: Weights = new Map();
    for await (const result of train(network, data, shortRecipe, { weights: first })) {
      if (result.record.epoch === 1) middle = result.checkpoint();
      else [end, weights] = [result.checkpoint(), result.weights()];
    }
    expectSameBits((await run(shortRecipe, { resume: middle })).weights, weights);
    expect((await run(shortRecipe, { resume: end })).results).toEqual([]);
  });

  test("a body rate of 0 leaves all but the last layer as it was, running statistics too", async () => {
    const { weights } = await run({ ...shortRecipe, bodyRate: 0, averageDecay: 0 });
    const head = headParameters(network.graph);
    const body = (from: Weights): Weights => new Map([...from].filter(([name]) => !head.has(name)).sort());
    expectSameBits(body(weights), body(first));
    for (const name of head) expect(weights.get(name)?.data).not.toEqual(first.get(name)?.data);
  });

  test("stops when patience is spent, and stays stopped when it is resumed", async () => {
    // Without steps the weights stay as they are: no epoch is better than the first.
    const recipe = { ...shortRecipe, epochs: 6, patience: 2, rate: 0, averageDecay: 0 };
    let last: Checkpoint | undefined;
    const bests: boolean[] = [];
    const still = shapesData(network, shortRecipe, { train: 16, validation: 20 });
    const unmoved: TrainingData = { ...still, batches: 0, epoch: () => [] };
    for await (const result of train(network, unmoved, recipe, { weights: first })) {
      bests.push(result.isBest);
      last = result.checkpoint();
    }
    expect(bests).toEqual([true, false, false]);
    expect((await run(recipe, { resume: last }, unmoved)).results).toEqual([]);
  });

  test("a picture that is no number ends it with advice, and so does an absurd rate", async () => {
    const broken: TrainingData = {
      ...data,
      *epoch(epoch) {
        for (const batch of data.epoch(epoch) as Iterable<{ pictures: Float32Array; targets: Float32Array }>) {
          batch.pictures[5] = Number.NaN;
          yield batch;
        }
      },
    };
    for (const attempt of [run(shortRecipe, {}, broken), run({ ...shortRecipe, rate: 1e30, clip: 0 })]) {
      const error = await attempt.then(
        () => undefined,
        (thrown: unknown) => thrown as DepthwiseError,
      );
      expect(error).toBeInstanceOf(DepthwiseError);
      expect(error?.code).toBe("diverged");
      expect(error?.message).toMatch(/^Training diverged in epoch 1/);
      expect(error?.hint).toMatch(/lower rate/);
    }
  });

  test("a signal ends it between two steps", async () => {
    const stop = new AbortController();
    const steps: number[] = [];
    const attempt = run(shortRecipe, {
      signal: stop.signal,
      onStep(done) {
        steps.push(done);
        if (done === 2) stop.abort(new RangeError("enough"));
      },
    });
    await expect(attempt).rejects.toThrow("enough");
    expect(steps).toEqual([1, 2]);
  });

  test("refuses a recipe that cannot be before anything is compiled", async () => {
    await expect(run({ ...shortRecipe, momentum: 1 })).rejects.toThrow(OptionError);
    await expect(run({ ...shortRecipe, microBatch: 5 })).rejects.toThrow(/5 does not divide 16/);
  });

  describe("with easy pictures passed over", () => {
    const recipe: Recipe = { ...shortRecipe, epochs: 4, skipEasy: 0.5, schedule: "linear" };

    test("draws each epoch by the losses before it, which are over what the goals allow", async () => {
      const drawn: PictureHistory[] = [];
      const watched: TrainingData = {
        ...data,
        epoch(epoch, easy) {
          expect(easy).toMatchObject({ share: 0.5, epochs: 4 });
          if (easy) drawn.push(structuredClone(easy.history));
          return data.epoch(epoch, easy);
        },
      };
      const { results } = await run(recipe, {}, watched);
      expect(drawn).toHaveLength(4);
      expect(drawn[0]?.losses.every(Number.isNaN)).toBe(true);
      drawn.forEach(({ seen }, epoch) => expect(seen.reduce((a, b) => a + b, 0)).toBe(48 * epoch));
      const losses = drawn[1]?.losses ?? new Float32Array();
      expect(losses).toHaveLength(48);
      // The first epoch takes each picture once. Of a goal of 0.91 and nine times 0.01, as smoothing by 0.1 makes it:
      const entropy = -0.91 * Math.log(0.91) - 9 * 0.01 * Math.log(0.01);
      const mean = losses.reduce((a, b) => a + b, 0) / 48;
      expect(mean + entropy).toBeCloseTo(results[0]?.record.trainLoss as number, 5);
      expect(drawn[3]?.losses).not.toEqual(drawn[2]?.losses);
    });

    test("the same bits for two threads, and from a checkpoint of any step", async () => {
      const checkpoints: Checkpoint[] = [];
      const whole = await run(recipe, { onStep: (_done, _of, { checkpoint }) => checkpoints.push(checkpoint()) });
      expectSameBits((await run(recipe, { threads: 2 })).weights, whole.weights);
      expect(checkpoints).toHaveLength(4 * data.batches);
      for (const resume of checkpoints.slice(3, 10)) {
        expectSameBits((await run(recipe, { resume, weights: new Map() })).weights, whole.weights);
      }
      expect((await run({ ...recipe, skipEasy: 0 })).weights).not.toEqual(whole.weights);
    });

    test("needs to know which pictures come by", async () => {
      const { pictures, ...uncounted } = data;
      await expect(run(recipe, {}, uncounted)).rejects.toThrow(/how many `pictures`/);
      const unnamed: TrainingData = {
        ...{ ...uncounted, pictures: pictures as number },
        *epoch(epoch) {
          for (const batch of data.epoch(epoch) as Iterable<TrainingBatch>)
            yield { pictures: batch.pictures, targets: batch.targets };
        },
      };
      await expect(run(recipe, {}, unnamed)).rejects.toThrow(/batches with `indices`/);
      let resume: Checkpoint | undefined;
      await run({ ...recipe, epochs: 1 }, { onStep: (_done, _of, { checkpoint }) => (resume = checkpoint()) });
      const { history: _, ...forgetful } = resume as unknown as Checkpoint;
      await expect(run(recipe, { resume: forgetful })).rejects.toThrow(/a checkpoint of a run that had it/);
      const larger = { ...data, pictures: 49 };
      await expect(run(recipe, { resume }, larger)).rejects.toThrow(/knows 48 pictures; the data has 49/);
    });
  });

  describe("with teachers", () => {
    const teachers = [5, 6].map((seed) => ({ network, weights: initializeWeights(network.graph, seed) }));
    const recipe = { ...shortRecipe, epochs: 1, teacherShare: 0.75 };

    test("learns the mixture of labels and the mean of the teachers' answers", async () => {
      const answered: TrainingData = {
        ...data,
        *epoch(epoch) {
          for (const batch of data.epoch(epoch) as Iterable<TrainingBatch>) {
            const targets = batch.targets.map((target) => 0.25 * (0.9 * target + 0.1 / network.classes));
            for (const teacher of teachers) {
              interpretedAnswers(teacher, batch.pictures).forEach((share, i) => {
                targets[i] = (targets[i] as number) + (0.75 / teachers.length) * share;
              });
            }
            yield { ...batch, targets };
          }
        },
      };
      const plain: Recipe = { ...shortRecipe, epochs: 1, optimizer: "sgd", rate: 0.005 };
      const taught = await run({ ...plain, labelSmoothing: 0.1, teacherShare: 0.75 }, { teachers });
      const expected = await run({ ...plain, labelSmoothing: 0 }, {}, answered);
      expect(largestDifference(taught.weights, expected.weights)).toBeLessThan(1e-3);
      expect(largestDifference(taught.weights, (await run(plain)).weights)).toBeGreaterThan(0.01);
      expect(taught.results[0]?.record.trainLoss).toBeCloseTo(expected.results[0]?.record.trainLoss as number, 4);
    });

    test("the same bits for one thread and two, and from a checkpoint", async () => {
      const checkpoints: Checkpoint[] = [];
      const one = await run(recipe, {
        teachers,
        onStep: (_done, _of, { checkpoint }) => checkpoints.push(checkpoint()),
      });
      expectSameBits((await run(recipe, { teachers, threads: 2 })).weights, one.weights);
      const rest = await run(recipe, { teachers, resume: checkpoints[1], weights: new Map() });
      expectSameBits(rest.weights, one.weights);
    });

    test("refuses one of other classes, pictures or labels, and one without a share or a share without one", async () => {
      const attempt = (other: Network, share: number | undefined = 0.5) =>
        run(
          { ...shortRecipe, teacherShare: share },
          { teachers: [{ network: other, weights: initializeWeights(other.graph, 0) }] },
        );
      await expect(attempt(shapesNetwork({ classes: 7 }))).rejects.toThrow(/other classes .*: 7 for 10/);
      await expect(attempt(shapesNetwork({ resolution: 48 }))).rejects.toThrow(/other pictures/);
      await expect(attempt({ ...network, labels: [..."abcdefghij"] })).rejects.toThrow(/other labels/);
      await expect(run(shortRecipe, { teachers })).rejects.toThrow(OptionError);
      await expect(run(recipe)).rejects.toThrow(/give both, or neither/);
    });
  });
});

/** Of two networks' parameters, in shares of each parameter's largest number. */
function largestDifference(actual: Weights, expected: Weights): number {
  let most = 0;
  for (const [name, { data }] of expected) {
    const numbers = data as Float32Array;
    const others = actual.get(name)?.data as Float32Array;
    const largest = numbers.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-6);
    numbers.forEach((value, i) => {
      most = Math.max(most, Math.abs((others[i] as number) - value) / largest);
    });
  }
  return most;
}

/** Probabilities of pictures by the interpreter. */
function interpretedAnswers({ network: { graph }, weights }: Teacher, pictures: Float32Array): number[] {
  const elements = 32 * 32 * 3;
  const answers: number[] = [];
  for (let at = 0; at < pictures.length; at += elements) {
    const { outputs } = interpret(graph, weights, { input: pictures.slice(at, at + elements) });
    const exponentials = Array.from(outputs.output?.data ?? [], Math.exp);
    const sum = exponentials.reduce((a, b) => a + b, 0);
    answers.push(...exponentials.map((value) => value / sum));
  }
  return answers;
}
