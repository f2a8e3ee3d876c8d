import { OptionError } from "@depthwise/core";
import { families } from "@depthwise/core/networks";
import { describe, expect, test } from "vitest";
import type { Invocation } from "./invocation.ts";
import { dashed, parseModel, parseModels } from "./model_argument.ts";
import { verbs } from "./verbs.ts";

function invocation(words: readonly string[], literal: readonly string[] = []): Invocation<unknown> {
  return { verb: "classify", words, literal, options: {}, optionNames: ["--json", "--top"] };
}

describe("parseModel", () => {
  test("takes each kind of option by its family's rules", () => {
    const words =
      "shufflenet_v1 --resolution 192x256 --repeats 1,2,3 --classes=10 --wiring megvii --small-stem photo.jpg".split(
        " ",
      );
    expect(parseModel(invocation(words, ["--odd.jpg"]))).toEqual({
      model: {
        subject: "shufflenet_v1",
        isFile: false,
        options: { resolution: [192, 256], repeats: [1, 2, 3], classes: 10, wiring: "megvii", smallStem: true },
      },
      rest: ["photo.jpg", "--odd.jpg"],
    });
  });

  test("turns switches off", () => {
    for (const flag of ["--no-small-stem", "--small-stem=false"]) {
      expect(parseModel(invocation(["mobilenet_v2", flag])).model.options).toEqual({ smallStem: false });
    }
    expect(() => parseModel(invocation(["mobilenet_v2", "--small-stem=maybe"]))).toThrow(/true or false/);
  });

  test("takes a path for a file, which has no options", () => {
    expect(parseModel(invocation(["./mobilenet_v2"])).model.isFile).toBe(true);
    expect(parseModel(invocation(["my.safetensors"])).model.isFile).toBe(true);
    expect(() => parseModel(invocation(["my.safetensors", "--width", "1"]))).toThrow(OptionError);
  });
});

describe("parseModels", () => {
  test("gives an option to the model before it", () => {
    const models = parseModels(invocation("squeezenet_1.1 mobilenet_v2 --width 0.5 mobilenet_v2 --width 1".split(" ")));
    expect(models.map(({ subject, options }) => [subject, options])).toEqual([
      ["squeezenet_1.1", {}],
      ["mobilenet_v2", { width: 0.5 }],
      ["mobilenet_v2", { width: 1 }],
    ]);
  });
});

test("no option of a family has the name of a verb's option", () => {
  const ofFamilies = new Set(
    Object.values(families).flatMap(({ optionRules }) => Object.keys(optionRules).map(dashed)),
  );
  const ofVerbs = verbs
    .filter(({ takesModel }) => takesModel)
    .flatMap(({ name, options }) => options.map(({ long }) => `${name} ${long}`));
  const clashing = ofVerbs.filter((option) => ofFamilies.has(option.split(" ")[1] as string));
  // The contract's: how many pictures a training step has. The network's own batch has no meaning there.
  expect(clashing).toEqual(["train --batch"]);
});
