import { describe, expect, it } from "vitest";
import { graphBuilder, type Value } from "../graph/builder.ts";
import { initializeWeights } from "../graph/initialize.ts";
import { plainConvolution } from "../graph/operations.ts";
import { build } from "../networks/build.ts";
import { families } from "../networks/families.ts";
import type { FamilyName } from "../networks/network.ts";
import { type Tensor, toFloat32, type Weights } from "../tensor.ts";
import { relativeError } from "../testing/differences.ts";
import { drawnStepInputs } from "../testing/gradients.ts";
import { randomStep } from "../testing/random_step.ts";
import { smoothNetwork } from "../testing/smooth_network.ts";
import { type CompileTrainingOptions, compileStep, compileTraining } from "./compile_training.ts";
import { interpretStep, type StepInterpretation } from "./interpret_step.ts";
import type { StepGraph } from "./step_graph.ts";
import { trainingStep } from "./training_graph.ts";
import { loadTraining, type TrainingInstance } from "./training_instance.ts";

const still = { groups: { all: { rate: 0, decay: 0 } } };

type Inputs = Parameters<typeof interpretStep>[2];

function fillSlot(instance: TrainingInstance, slot: number, inputs: Inputs): void {
  for (const [name, numbers] of Object.entries(inputs)) {
    instance.input(name, slot).set("data" in numbers ? toFloat32(numbers) : numbers);
  }
}

type Interpretation = Pick<StepInterpretation<"f32" | "f64">, "loss" | "logits" | "gradients">;

/** Root of the mean square difference of all gradients together, as a share of the gradients. */
function gradientDistance(actual: Interpretation["gradients"], expected: Interpretation["gradients"]): number {
  let [difference, all] = [0, 0];
  for (const [name, { data }] of expected) {
    const other = actual.get(name)?.data ?? [];
    expect(other.length).toBe(data.length);
    data.forEach((value, i) => {
      difference += (value - (other[i] as number)) ** 2;
      all += value ** 2;
    });
  }
  return Math.sqrt(difference / (all + 1e-20));
}

/**
 * Runs one micro-batch compiled and compares with the interpreter in double. How much rounding may do depends on the network (kinks that
 * an error crosses, variances near nothing): some times what it does to the interpreter itself in float32.
 */
async function compare(
  step: StepGraph,
  weights: Weights,
  inputs: Inputs,
  options: Pick<CompileTrainingOptions, "simd" | "wide">,
): Promise<void> {
  const compiled = compileStep(step, { batch: step.nodes[step.loss]?.shape[0] as number, ...options });
  using instance = await loadTraining(compiled, weights);
  fillSlot(instance, 0, inputs);
  const { loss } = instance.step(still);
  const exact = interpretStep(step, weights, inputs, { precision: "f64" });
  const rounded = interpretStep(step, weights, inputs);
  const mean = exact.loss.data.reduce((sum, value) => sum + value, 0) / exact.loss.data.length;
  const allowed = 1e-5 + 50 * relativeError(rounded.logits.data, exact.logits.data);
  expect(relativeError(instance.logits(0), exact.logits.data)).toBeLessThan(allowed);
  expect(Math.abs(loss - mean)).toBeLessThan(1e-5 + allowed * Math.max(1, ...exact.logits.data.map(Math.abs)));
  const noise = gradientDistance(rounded.gradients, exact.gradients);
  expect(gradientDistance(instance.gradients(), exact.gradients)).toBeLessThan(1e-5 + 50 * noise);
  // Where rounding alone does more, a mistake would not be seen.
  expect(noise).toBeLessThan(1e-2);
}

describe("compileTraining", () => {
  it("gives the interpreter's loss, logits and gradients for random networks", async () => {
    for (let seed = 0; seed < 120; seed++) {
      const { step, weights, inputs } = randomStep(seed, "inputs");
      await compare(step, weights, inputs, { simd: seed % 2 === 0 ? "relaxed" : "plain", wide: seed % 4 > 1 });
    }
  }, 120_000);

  it.each((["nearest", "bilinear"] as const).flatMap((mode) => [3, 8].map((channels) => ({ mode, channels }))))(
    "gives the interpreter's gradients of a kernel that two layers share, through softmax and resize, $mode, $channels channels",
    async ({ mode, channels }) => {
      const build = graphBuilder("shared");
      const kernel = build.parameter("kernel", [3, 3, channels, channels], { kind: "normal", deviation: 0.2 });
      const operation = { ...plainConvolution, padding: { top: 1, bottom: 1, left: 1, right: 1 } };
      const shared = (name: string, x: Value) => build.node(name, operation, [x, kernel]);
      let x = shared("first", build.input("input", [2, 5, 7, channels]));
      x = build.softmax("softmax", build.resize("larger", x, 9, 8, mode));
      x = build.resize("smaller", shared("second", x), 4, 3, mode);
      x = build.linear("classifier", build.flatten("flat", x), { channels: 4 });
      const graph = build.build({ logits: x });
      const step = trainingStep(graph, { batch: 2 });
      await compare(step, initializeWeights(graph, 1), drawnStepInputs(step, 1), { simd: "relaxed" });
    },
  );

  it.each((Object.keys(families) as FamilyName[]).flatMap((family) => [false, true].map((wide) => ({ family, wide }))))(
    "gives the interpreter's gradients for $family, wide: $wide",
    async ({ family, wide }) => {
      const graph = smoothNetwork(build(`${family}_cifar`).graph);
      const weights = initializeWeights(graph, 1);
      const step = trainingStep(graph, { batch: 4 });
      await compare(step, weights, drawnStepInputs(step, 1), { simd: "relaxed", wide });
    },
    60_000,
  );
});

const zeros = (weights: Weights): [string, Tensor<"f32">][] =>
  [...weights].map(([name, { shape }]) => [
    name,
    { dtype: "f32", shape, data: new Float32Array(shape.reduce((product, length) => product * length, 1)) },
  ]);

type Matrix = readonly (readonly number[])[];

/** A group's part of a kernel `[kh, kw, in/groups, out]`: a row for each tap and input channel. */
function matrixOf({ data, shape }: Tensor, groups: number, group: number): Matrix {
  const out = shape[3] as number;
  const columns = out / groups;
  return Array.from({ length: data.length / out }, (_, row) =>
    Array.from({ length: columns }, (__, column) => Number(data[row * out + group * columns + column])),
  );
}

const transposed = (a: Matrix): Matrix => (a[0] as readonly number[]).map((_, j) => a.map((row) => row[j] as number));
const product = (a: Matrix, b: Matrix): Matrix => {
  const columns = transposed(b);
  return a.map((row) => columns.map((column) => row.reduce((sum, x, i) => sum + x * (column[i] as number), 0)));
};

/** Newton and Schulz' iteration with Muon's coefficients, as its author writes it: on the wide side, X ← aX + (bA + cA²)X, A = XXᵀ. */
function nearlyOrthogonal(matrix: Matrix): Matrix {
  const isTall = matrix.length > (matrix[0] as readonly number[]).length;
  const norm = Math.hypot(...matrix.flat());
  let x: Matrix = (isTall ? transposed(matrix) : matrix).map((row) => row.map((value) => value / norm));
  for (let round = 0; round < 5; round++) {
    const gram = product(x, transposed(x));
    const square = product(gram, gram);
    const mixed = gram.map((row, i) => row.map((g, j) => -4.775 * g + 2.0315 * (square[i] as number[])[j]!));
    const turned = product(mixed, x);
    x = x.map((row, i) => row.map((value, j) => 3.4445 * value + (turned[i] as number[])[j]!));
  }
  return isTall ? transposed(x) : x;
}

const small = () => build("mobilenet_v2", { width: 0.25, resolution: 32, classes: 5 });

async function begin(options: Partial<CompileTrainingOptions>, threads?: number) {
  const network = small();
  const compiled = compileTraining(network, { batch: 8, microBatch: 2, ...options });
  const instance = await loadTraining(compiled, initializeWeights(network.graph, 3), { threads });
  for (let slot = 0; slot < 4; slot++) {
    fillSlot(instance, slot, drawnStepInputs(trainingStep(network.graph, { batch: 2 }), 10 + slot));
  }
  return instance;
}

it("needs memory by the thread, not by the batch: MobileNet V2 at a batch of 128 in less than 1.5 GB on four threads", () => {
  const bytes = (batch: number, threads: number) =>
    compileTraining(build("mobilenet_v2_cifar"), { batch, threads }).manifest.pages * 65_536;
  expect(bytes(128, 4)).toBeLessThan(1.5e9);
  // Gradients of a micro-batch more, and no activations.
  expect(bytes(128, 1) / bytes(64, 1)).toBeLessThan(1.1);
});

describe("a compiled training step", () => {
  it.each(["adamw", "muon"] as const)(
    "gives the same bits for every number of threads by %s",
    async (optimizer) => {
      const results: Float32Array[][] = [];
      for (const threads of [1, 2, 3]) {
        using instance = await begin({ threads: 3, optimizer }, threads);
        const settings = { groups: { all: { rate: 0.01, decay: 0.1 } }, clip: 1, averageDecay: 0.9 };
        for (let i = 0; i < 3; i++) instance.step(settings);
        results.push([...instance.weights("average").values()].map(({ data }) => data));
      }
      expect(results[1]).toEqual(results[0]);
      expect(results[2]).toEqual(results[0]);
    },
    60_000,
  );

  it("goes on from its state to the same bits", async () => {
    const settings = { groups: { all: { rate: 0.01, decay: 0.1 } }, averageDecay: 0.9 };
    using whole = await begin({ optimizer: "adamw" });
    for (let i = 0; i < 4; i++) whole.step(settings);
    using first = await begin({ optimizer: "adamw" });
    for (let i = 0; i < 2; i++) first.step(settings);
    using second = await begin({ optimizer: "adamw" });
    second.restore(first.state());
    for (let i = 0; i < 2; i++) second.step(settings);
    expect(second.state()).toEqual(whole.state());
  }, 60_000);

  it("follows Nesterov's momentum with decay, a limit for the norm, and a moving average", async () => {
    using instance = await begin({ optimizer: "sgd" });
    const start = instance.weights();
    const settings = { groups: { all: { rate: 0.05, decay: 0.01 } }, beta1: 0.8, clip: 0.5, averageDecay: 0.7 };
    const [name] = [...instance.gradients().keys()].filter((key) => key.endsWith("kernel")) as [string];
    let value = Float64Array.from(start.get(name)?.data ?? []);
    let average = value.slice();
    let momentum = value.map(() => 0);
    for (let i = 0; i < 3; i++) {
      const { gradientNorm } = instance.step(settings);
      const gradient = instance.gradients().get(name)?.data ?? new Float32Array(0);
      const scale = Math.min(1, 0.5 / gradientNorm);
      const decayed = value.map((w, j) => (gradient[j] as number) * scale + 0.01 * w);
      momentum = momentum.map((m, j) => 0.8 * m + (decayed[j] as number));
      value = value.map((w, j) => w - 0.05 * ((decayed[j] as number) + 0.8 * (momentum[j] as number)));
      average = average.map((a, j) => a + 0.3 * ((value[j] as number) - a));
    }
    expect(relativeError(instance.weights().get(name)?.data ?? [], value)).toBeLessThan(1e-5);
    expect(relativeError(instance.weights("average").get(name)?.data ?? [], average)).toBeLessThan(1e-5);
  }, 60_000);

  it("follows AdamW", async () => {
    using instance = await begin({ optimizer: "adamw" });
    const [name] = [...instance.gradients().keys()].filter((key) => key.endsWith("kernel")) as [string];
    let value = Float64Array.from(instance.weights().get(name)?.data ?? []);
    let [first, second] = [value.map(() => 0), value.map(() => 0)];
    for (let t = 1; t <= 3; t++) {
      instance.step({ groups: { all: { rate: 0.01, decay: 0.1 } }, beta1: 0.9, beta2: 0.99 });
      const gradient = Float64Array.from(instance.gradients().get(name)?.data ?? []);
      first = first.map((m, j) => 0.9 * m + 0.1 * (gradient[j] as number));
      second = second.map((v, j) => 0.99 * v + 0.01 * (gradient[j] as number) ** 2);
      value = value.map((w, j) => {
        const m = (first[j] as number) / (1 - 0.9 ** t);
        const v = (second[j] as number) / (1 - 0.99 ** t);
        return w * (1 - 0.01 * 0.1) - (0.01 * m) / (Math.sqrt(v) + 1e-8);
      });
    }
    expect(relativeError(instance.weights().get(name)?.data ?? [], value)).toBeLessThan(1e-4);
  }, 60_000);

  it.each(["shufflenet_v1", "mobilenet_v2", "squeezenet"] as const)(
    "follows Muon on the kernels of %s, a group at a time, and AdamW on the rest",
    async (family) => {
      const network = build(`${family}_cifar`);
      const compiled = compileTraining(network, { batch: 2, optimizer: "muon" });
      using instance = await loadTraining(compiled, initializeWeights(network.graph, 3));
      fillSlot(instance, 0, drawnStepInputs(trainingStep(network.graph, { batch: 2 }), 10));
      const start = instance.weights();
      const settings = { groups: { all: { rate: 0.01, decay: 0.1 } }, beta1: 0.8, averageDecay: 0.7 };
      const steps = [0, 1].map(() => {
        instance.step(settings);
        return instance.gradients();
      });
      const [now, average] = [instance.weights(), instance.weights("average")];
      const kernels = network.graph.nodes.flatMap(({ operation, inputs }) =>
        operation.op === "convolution"
          ? [{ name: network.graph.nodes[inputs[1] as number]?.name as string, groups: operation.groups }]
          : [],
      );
      for (const { name, groups } of kernels) {
        const shape = start.get(name)?.shape as readonly number[];
        const out = shape[3] as number;
        if (out === groups || start.get(name)!.data.length === out) continue;
        for (let group = 0; group < groups; group++) {
          const matrix = (weights: ReadonlyMap<string, Tensor>) => matrixOf(weights.get(name)!, groups, group);
          let momentum = matrix(steps[0]!).map((row) => row.map(() => 0));
          let value = matrix(start);
          let mean = value;
          for (const gradients of steps) {
            const gradient = matrix(gradients);
            momentum = momentum.map((row, i) => row.map((m, j) => 0.8 * m + gradient[i]![j]!));
            const step = nearlyOrthogonal(momentum.map((row, i) => row.map((m, j) => 0.8 * m + gradient[i]![j]!)));
            const size = 0.2 * Math.sqrt(Math.max(value.length, value[0]!.length));
            value = value.map((row, i) => row.map((w, j) => w * (1 - 0.01 * 0.1) - 0.01 * size * step[i]![j]!));
            mean = mean.map((row, i) => row.map((a, j) => a + 0.3 * (value[i]![j]! - a)));
          }
          expect(relativeError(matrix(now).flat(), value.flat())).toBeLessThan(1e-4);
          expect(relativeError(matrix(average).flat(), mean.flat())).toBeLessThan(1e-4);
          // Decay alone would not pass for a step.
          expect(relativeError(matrix(start).flat(), value.flat())).toBeGreaterThan(1e-3);
        }
      }
      const first = compileTraining(network, { batch: 2, optimizer: "adamw" });
      using other = await loadTraining(first, start);
      fillSlot(other, 0, drawnStepInputs(trainingStep(network.graph, { batch: 2 }), 10));
      other.step(settings);
      instance.restore({
        ...instance.state(),
        weights: start,
        average: start,
        steps: 0,
        first: new Map(zeros(start)),
        second: new Map(zeros(start)),
      });
      instance.step(settings);
      const others = [...start.keys()].filter((name) => !kernels.some((kernel) => kernel.name === name));
      expect(others.length).toBeGreaterThan(0);
      for (const name of others) expect(instance.weights().get(name)?.data).toEqual(other.weights().get(name)?.data);
    },
    60_000,
  );

  it("moves running statistics towards the mean of the micro-batches' moments", async () => {
    const network = small();
    const weights = initializeWeights(network.graph, 3);
    const step = trainingStep(network.graph, { batch: 2 });
    using instance = await begin({});
    instance.step({ ...still, momentum: 0.25 });
    const moments = [0, 1, 2, 3].map(
      (slot) => interpretStep(step, weights, drawnStepInputs(step, 10 + slot)).moments[0],
    );
    const [{ mean, variance, count }] = step.moments as [StepGraph["moments"][number]];
    const channels = weights.get(mean)?.data.length as number;
    const expected = (row: number, factor: number, from: number) =>
      Array.from({ length: channels }, (_, c) => {
        const average = moments.reduce((sum, m) => sum + (m?.data[row * channels + c] as number), 0) / 4;
        return from + 0.25 * (average * factor - from);
      });
    const now = instance.weights();
    expect(relativeError(now.get(mean)?.data ?? [], expected(0, 1, 0))).toBeLessThan(1e-4);
    expect(relativeError(now.get(variance)?.data ?? [], expected(1, count / (count - 1), 1))).toBeLessThan(1e-4);
  }, 60_000);

  it("leaves everything as it was when the gradient is no number", async () => {
    using instance = await begin({});
    instance.input("input", 0)[0] = Number.NaN;
    const before = instance.state();
    const { gradientNorm } = instance.step({ groups: { all: { rate: 0.1, decay: 0 } } });
    expect(gradientNorm).toBeNaN();
    expect(instance.state()).toEqual(before);
  }, 60_000);

  it("keeps frozen parameters, and normalizes by their running statistics", async () => {
    const network = small();
    const weights = initializeWeights(network.graph, 3);
    const frozen = (name: string) => !name.startsWith("classifier");
    const step = trainingStep(network.graph, { batch: 2, frozen });
    await compare(step, weights, drawnStepInputs(step, 5), { simd: "relaxed" });
    const half = trainingStep(network.graph, {
      batch: 2,
      frozen: (name) => name.includes("/running_") || /mean|variance/.test(name),
    });
    await compare(half, weights, drawnStepInputs(half, 5), { simd: "relaxed" });
    using instance = await begin({ frozen });
    const before = instance.weights();
    instance.step({ groups: { all: { rate: 0.1, decay: 0.1 } } });
    const after = instance.weights();
    const changed = [...after].filter(([name, { data }]) => data.some((v, i) => v !== before.get(name)?.data[i]));
    expect(changed.map(([name]) => name).every((name) => name.startsWith("classifier"))).toBe(true);
    expect(changed.length).toBeGreaterThan(0);
  }, 60_000);
});
