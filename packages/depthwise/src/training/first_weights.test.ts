import { build, initializeForTraining, WeightsError } from "@depthwise/core";
import { expect, test } from "vitest";
import { firstWeights } from "./first_weights.ts";

const options = { width: 0.25, shallow: true, resolution: 32 };
const network = { ...build("mobilenet_v1", { ...options, classes: 3 }), labels: ["a", "b", "c"] };
const trained = { network, weights: initializeForTraining(network.graph, 5) };
const head = ["classifier/kernel", "classifier/bias"];

test("without a trained network all weights are the seed's", () => {
  const { weights, drawn } = firstWeights(network, 5, undefined);
  expect(weights).toEqual(trained.weights);
  expect(drawn).toHaveLength(weights.size);
});

test("the same classes take everything over", () => {
  const { weights, drawn } = firstWeights(network, 0, trained);
  expect(drawn).toEqual([]);
  expect(weights).toEqual(trained.weights);
});

test.each([
  ["more classes", { ...build("mobilenet_v1", { ...options, classes: 4 }), labels: ["a", "b", "c", "d"] }],
  ["as many, but others", { ...network, labels: ["x", "y", "z"] }],
  ["the same in another order", { ...network, labels: ["b", "a", "c"] }],
])("%s get a new last layer on the old body", (_what, other) => {
  const { weights, drawn } = firstWeights(other, 0, trained);
  expect(drawn).toEqual(head);
  const own = initializeForTraining(other.graph, 0);
  for (const [name, { data }] of weights) {
    expect(data).toEqual((head.includes(name) ? own : trained.weights).get(name)?.data);
  }
});

test("a body of other shapes is refused, naming some of what does not fit", () => {
  const wider = build("mobilenet_v1", { ...options, width: 0.5, classes: 3 });
  expect(() => firstWeights(wider, 0, trained)).toThrow(WeightsError);
  expect(() => firstWeights(wider, 0, trained)).toThrow(/"stem\/kernel".* and \d+ more\./);
});
