import { expect, test } from "vitest";
import { nodeOf, nodesOf, type ValueId } from "../graph/graph.ts";
import { interpret } from "../graph/interpret.ts";
import { build } from "../networks/build.ts";
import { seededRandom } from "../random.ts";
import { tensor, toFloat32, type Weights } from "../tensor.ts";
import { relativeError } from "../testing/differences.ts";
import { drawnStepInputs } from "../testing/gradients.ts";
import { initializeForTraining } from "./initialize_for_training.ts";
import { interpretStep } from "./interpret_step.ts";
import { trainingStep } from "./training_graph.ts";
import { hasFoldedNorms, unfoldNorms } from "./unfold_norms.ts";

const networks = {
  mobilenet_v1: build("mobilenet_v1", { width: 0.25, shallow: true, resolution: 32, classes: 5 }),
  shufflenet_v2: build("shufflenet_v2_cifar"),
  igcv2: build("igcv2_cifar"),
  /** With a bias before every norm. */
  squeezenext: build("squeezenext_cifar"),
};

/** Weights with everything in kernels and betas, of sizes that no training would leave. */
function foldedWeights(name: keyof typeof networks): Weights {
  const random = seededRandom(2, name);
  const weights = new Map(initializeForTraining(networks[name].graph, 1));
  for (const [parameter, { shape, data }] of weights) {
    const values = toFloat32({ dtype: "f32", shape, data: data as Float32Array });
    if (parameter.endsWith("kernel"))
      weights.set(
        parameter,
        tensor(
          shape,
          values.map((value) => value * 3),
        ),
      );
    if (parameter.endsWith("beta") || parameter.endsWith("bias"))
      weights.set(
        parameter,
        tensor(
          shape,
          values.map(() => random.normal()),
        ),
      );
  }
  return weights;
}

function drawnPictures(count: number): readonly Float32Array[] {
  const random = seededRandom(3, "pictures");
  return Array.from({ length: count }, () => Float32Array.from({ length: 32 * 32 * 3 }, () => random.normal()));
}

test.each(Object.keys(networks) as (keyof typeof networks)[])("%s stays the same function", async (name) => {
  const { graph } = networks[name];
  const weights = foldedWeights(name);
  expect(hasFoldedNorms(graph, weights)).toBe(true);
  const unfolded = await unfoldNorms(graph, weights, drawnPictures(6));
  expect(hasFoldedNorms(graph, unfolded)).toBe(false);
  const [input] = drawnPictures(7).slice(-1) as [Float32Array];
  const [before, after] = [weights, unfolded].map((each) => interpret(graph, each, { input }).outputs["output"]!.data);
  expect(relativeError(after!, before!)).toBeLessThan(1e-4);
});

test("statistics are those that training meets on the same pictures", async () => {
  const { graph } = networks.mobilenet_v1;
  const pictures = drawnPictures(4);
  const unfolded = await unfoldNorms(graph, foldedWeights("mobilenet_v1"), pictures);
  const step = trainingStep(graph, { batch: 4 });
  const input = new Float32Array(4 * 32 * 32 * 3);
  pictures.forEach((picture, i) => input.set(picture, i * picture.length));
  const { moments } = interpretStep(step, unfolded, { ...drawnStepInputs(step, 1), input });
  nodesOf(graph, "batch_norm").forEach((norm, i) => {
    const given = [3, 4].flatMap((at) => [...toFloat32(unfolded.get(nodeOf(graph, norm.inputs[at] as ValueId).name)!)]);
    expect(relativeError(moments[i]!.data, given)).toBeLessThan(1e-3);
  });
});

test("trained statistics are no folded ones", () => {
  const { graph } = networks.mobilenet_v1;
  const weights = new Map(foldedWeights("mobilenet_v1"));
  const [name] = [...weights.keys()].filter((key) => key.endsWith("variance")) as [string];
  weights.set(
    name,
    tensor(
      weights.get(name)!.shape,
      toFloat32(weights.get(name)!).map(() => 0.5),
    ),
  );
  expect(hasFoldedNorms(graph, weights)).toBe(false);
});
