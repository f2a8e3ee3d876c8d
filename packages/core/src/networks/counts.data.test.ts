import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { countMacs, countParameters, type LayerRow, layerRows } from "../testing/layer_rows.ts";
import { sharedPath } from "../testing/shared_data.ts";
import { build, listVariants } from "./build.ts";

/** A convolution or linear layer as an independent PyTorch model counted it. */
interface CountedLayer {
  /** Module path of the framework that the reference follows. */
  readonly name: string;
  readonly op: string;
  readonly kernel: readonly number[] | null;
  readonly stride: readonly number[] | null;
  readonly groups: number;
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly parameters: number;
  readonly macs: number;
}

interface CountedVariant {
  readonly name: string;
  readonly parameters: number;
  readonly macs: number;
  readonly layers: readonly CountedLayer[];
}

/** A variant as the files have it: counts_a.json lists its layers as rows of cells, counts_b.json as objects. */
interface VariantRecord<Layer> {
  readonly params: number;
  readonly macs: number;
  readonly layers: readonly Layer[];
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(sharedPath("reference", file), "utf8"));
}

function countsA(): CountedVariant[] {
  const { columns, variants } = read("counts_a.json") as {
    readonly columns: readonly string[];
    readonly variants: Readonly<Record<string, VariantRecord<readonly unknown[]>>>;
  };
  const toRecord = (row: readonly unknown[]) =>
    Object.fromEntries(columns.map((column, index) => [column, row[index]]));
  return Object.entries(variants).map(([name, variant]) => variantOf(name, variant, variant.layers.map(toRecord)));
}

function countsB(): CountedVariant[] {
  const variants = read("counts_b.json") as Readonly<Record<string, VariantRecord<Record<string, unknown>>>>;
  return Object.entries(variants).map(([name, variant]) => variantOf(name, variant, variant.layers));
}

function variantOf(
  name: string,
  { params, macs }: VariantRecord<unknown>,
  layers: readonly Readonly<Record<string, unknown>>[],
): CountedVariant {
  const renamed = layers.map(({ in_shape, out_shape, params: parameters, ...rest }) => ({
    ...rest,
    input: in_shape,
    output: out_shape,
    parameters,
  }));
  return { name, parameters: params, macs, layers: renamed as unknown as readonly CountedLayer[] };
}

const counted = [...countsA(), ...countsB()];
const names = new Set(listVariants().map((variant) => variant.name));

/** What both sides say about a layer. A linear layer may stand as a 1x1 convolution of one pixel: the same numbers. */
function comparable(layer: CountedLayer | LayerRow): object {
  const { kernel, stride, groups, input, output, parameters, macs } = layer;
  const isLinear =
    layer.op === "linear" || (input[1] === 1 && input[2] === 1 && kernel?.join() === "1,1" && groups === 1);
  if (isLinear) return { linear: true, input: input.at(-1), output: output.at(-1), parameters, macs };
  return { kernel, stride, groups, input, output, parameters, macs };
}

describe("counts", () => {
  it("has every counted variant", () => {
    expect(counted).toHaveLength(146);
    expect(counted.map(({ name }) => name).filter((name) => !names.has(name))).toEqual([]);
  });

  it.each(counted.filter(({ name }) => names.has(name)))(
    "$name has the reference's layers, in order, under its names",
    (variant) => {
      const { graph, namings } = build(variant.name);
      const rows = layerRows(graph);
      const layers = variant.layers.filter(({ op }) => op === "linear" || op.endsWith("conv"));
      expect(rows.map(comparable)).toEqual(layers.map(comparable));
      const theirNames = namings.map(({ modules }) => rows.map((row) => modules.get(row.name)));
      expect(theirNames).toContainEqual(layers.map((layer) => layer.name));
      expect({ parameters: countParameters(graph), macs: countMacs(graph) }).toEqual({
        parameters: variant.parameters,
        macs: variant.macs,
      });
    },
  );
});
