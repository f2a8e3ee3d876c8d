import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { interpret } from "../graph/interpret.ts";
import { readGolden, relativeDifference, weightsFrom } from "../testing/golden_files.ts";
import { goldenNetworks } from "../testing/golden_networks.ts";
import { sharedPath } from "../testing/shared_data.ts";
import { build } from "./build.ts";
import { findModule } from "./exchange_names.ts";
import { families } from "./families.ts";

/** Of the largest absolute value: float32's own rounding over the depth of these networks stays far below. */
const tolerance = 1e-4;

describe("golden files", () => {
  it("covers every golden file", () => {
    const files = readdirSync(sharedPath("reference", "golden")).map((file) => file.replace(".safetensors", ""));
    expect(goldenNetworks.map(({ file }) => file).toSorted()).toEqual(files.toSorted());
  });

  it.each(goldenNetworks.filter(({ family }) => family in families))(
    "interprets $file as the reference did",
    ({ file, family, options }) => {
      const golden = readGolden(file);
      const { graph, namings } = build(family, options);
      const naming = namings.find((each) =>
        [...each.modules.values()].some((module) => golden.checkpoint.has(`${module}.weight`)),
      );
      if (naming === undefined) throw new TypeError(`no naming of ${family} fits ${file}`);
      const weights = weightsFrom(golden.checkpoint, graph, naming);
      const unread = [...golden.checkpoint.keys()].filter((key) => !key.endsWith("num_batches_tracked"));
      expect(weights.size).toBe(unread.length);

      // A module of the reference may have several names here (a unit and its last node): any of ours will do.
      const nodes = [...golden.taps.keys()].map((tap) => {
        const path = [...naming.modules].findLast(([, module]) => module === tap)?.[0];
        const node = path === undefined ? undefined : findModule(graph, path);
        if (node === undefined) throw new TypeError(`naming ${naming.name} has no module ${tap}`);
        return [tap, node.name] as const;
      });
      const { outputs, kept } = interpret(
        graph,
        weights,
        { input: golden.input },
        { keep: nodes.map(([, name]) => name) },
      );
      const differences = nodes.map(
        ([tap, name]) => [tap, relativeDifference(kept[name]!, golden.taps.get(tap)!)] as const,
      );
      differences.push(["output", relativeDifference(outputs.output!, golden.output)]);
      expect(differences.filter(([, difference]) => !(difference <= tolerance))).toEqual([]);
    },
  );
});
