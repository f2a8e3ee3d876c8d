import { describe, expect, test } from "vitest";
import { build, listVariants } from "../networks/build.ts";
import type { Tensor } from "../tensor.ts";
import { expectedTensors, matchNames, namingNames } from "./match_names.ts";

/** Tensors of a checkpoint, without numbers: names and shapes are all that matching looks at. */
function shapesOnly(name: string, naming: string): Map<string, Tensor> {
  const rows = expectedTensors(build(name), naming);
  expect(new Set(rows.map(({ theirName }) => theirName)).size, "every name is used once").toBe(rows.length);
  return new Map(
    rows.map(({ theirName, theirShape }) => [
      theirName,
      { dtype: "f32", shape: theirShape, data: new Float32Array(0) },
    ]),
  );
}

const variants = listVariants().map(({ name }) => name);

describe("every published network", () => {
  test.each(variants)("%s knows its own files and those of its namings, whole", (name) => {
    const network = build(name);
    for (const naming of namingNames(network)) {
      const tensors = shapesOnly(name, naming);
      tensors.set("some.norm.num_batches_tracked", { dtype: "i64", shape: [], data: new BigInt64Array(1) });
      const [best] = matchNames(tensors, network);
      expect(best, naming).toMatchObject({ missing: [], misshapen: [], unexpected: [] });
      expect(best?.expected).toHaveLength(tensors.size - 1);
    }
  });
});

test("two networks of one family with other wirings and shapes do not take each other's files", () => {
  const [theirs] = matchNames(shapesOnly("shufflenet_v2_1.0_megvii", "megvii"), build("shufflenet_v2_1.0"));
  expect((theirs?.missing.length ?? 0) + (theirs?.misshapen.length ?? 0)).toBeGreaterThan(0);
});
