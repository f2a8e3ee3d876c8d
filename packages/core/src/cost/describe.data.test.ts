import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { build } from "../networks/build.ts";
import { sharedPath } from "../testing/shared_data.ts";
import { describe } from "./describe.ts";

interface CountedVariant {
  readonly params: number;
  readonly macs: number;
  readonly layers: readonly (readonly unknown[] | { readonly macs: number; readonly op: string })[];
}

const variants = ["counts_a.json", "counts_b.json"].flatMap((file) => {
  const content = JSON.parse(readFileSync(sharedPath("reference", file), "utf8")) as Record<string, unknown>;
  return Object.entries((content.variants ?? content) as Record<string, CountedVariant>);
});

/** Multiply-accumulates of the layers that have any, in no particular order. */
function countedMacs({ layers }: CountedVariant): number[] {
  const macs = layers.map((layer) => ("macs" in layer ? layer.macs : (layer[9] as number)));
  return macs.filter((count) => count > 0).sort((a, b) => a - b);
}

test.each(variants)("%s costs what the independent count says, in all and layer by layer", (name, counted) => {
  const { parameters, macs, layers } = describe(build(name));
  expect([parameters, macs]).toEqual([counted.params, counted.macs]);
  const ours = layers.map((layer) => layer.macs).filter((count) => count > 0);
  expect(ours.sort((a, b) => a - b)).toEqual(countedMacs(counted));
});
