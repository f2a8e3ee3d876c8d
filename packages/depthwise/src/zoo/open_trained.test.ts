import { build, initializeWeights } from "@depthwise/core";
import { trainedNetworks } from "@depthwise/zoo";
import { describe, expect, test } from "vitest";
import { openModel } from "../open_model.ts";
import { openTraining } from "../training/open_training.ts";
import { openTrained, trainingRecord } from "./open_trained.ts";

const named = (subject: string, options = {}) => ({ subject, isFile: false, options });
const name = "mobilenet_v2_cifar";

describe("a name of the zoo", () => {
  test("comes with its trained weights and labels", async () => {
    const { network, weights } = await openModel(named(name), {});
    expect(network.labels).toContain("airplane");
    expect(weights).toEqual((await openTrained(name)).weights);
  });

  test("is drawn from a seed if one is given, and other networks of the family always are", async () => {
    const drawn = initializeWeights(build(name).graph, 3);
    expect((await openModel(named(name), { seed: 3 })).weights).toEqual(drawn);
    const wider = await openModel(named(name, { width: 0.5 }), {});
    expect(wider.network.labels).toBeUndefined();
    expect(wider.weights).toEqual(initializeWeights(wider.network.graph, 0));
  });

  test("can be gone on from: train --from NAME", async () => {
    const { from } = await openTraining("shapes", [], {
      ...{ verb: "train", words: [], literal: [], optionNames: [] },
      options: { from: name },
    });
    expect(from?.weights).toEqual((await openTrained(name)).weights);
  });
});

test.each(trainedNetworks)("%s has a record", async (each) => {
  expect((await trainingRecord(each)).test.top1).toBeGreaterThan(0.5);
});
