import { describe, expect, it } from "vitest";
import { findNode, verifyGraph } from "../graph/graph.ts";
import { countMacs, countParameters } from "../testing/layer_rows.ts";
import { build, familyOf, listVariants } from "./build.ts";
import { exchangeNames, findModule } from "./exchange_names.ts";
import { families } from "./families.ts";

/** Exact figures that others print: torchvision's `num_params`, keras-applications' totals, slim's per-layer sums. */
const known: readonly (readonly [name: string, parameters: number, macs: number])[] = [
  ["mobilenet_v1_1.0_224", 4_231_976, 567_716_352 + 1_024_000],
  ["mobilenet_v2_1.0_224", 3_504_872, 300_774_272],
  ["mobilenet_v2_1.4_224", 6_108_776, 582_195_824],
  ["squeezenet_1.0_224", 1_248_424, 818_924_576],
  ["squeezenet_1.1_224", 1_235_496, 349_151_936],
  ["squeezenext_1.0_23_pytorchcv", 724_056, 275_920_640],
  ["xception", 22_855_952, 8_357_403_496],
];

describe("networks", () => {
  it.each(known)("%s has %i parameters and %i MACs", (name, parameters, macs) => {
    const { graph } = build(name);
    expect({ parameters: countParameters(graph), macs: countMacs(graph) }).toEqual({ parameters, macs });
  });

  it.each(listVariants())(
    "$name verifies, and says why its published figures differ where they do",
    ({ name, published }) => {
      const { graph, classes } = build(name);
      verifyGraph(graph);
      expect(graph.outputs.map((output) => output.name)).toEqual(["output"]);
      expect(graph.nodes[graph.outputs[0]!.value]!.shape).toEqual([1, classes]);
      expect(findNode(graph, "input")?.operation.op).toBe("input");
      const agrees =
        isPrinted(published.parameters, countParameters(graph), 1e5) &&
        isPrinted(published.macs, countMacs(graph), 1e6);
      if (!agrees) expect(published.difference).toMatch(/\w+ \w+/);
    },
  );

  it.each(listVariants())("$name has a name for every parameter in every naming", ({ name }) => {
    const { graph, namings } = build(name);
    expect(namings.length).toBeGreaterThan(0);
    const parameters = graph.nodes.filter((node) => node.operation.op === "parameter").map((node) => node.name);
    for (const naming of namings) {
      const rows = exchangeNames(graph, naming);
      expect(rows.map((row) => row.ourParameter).toSorted()).toEqual(parameters.toSorted());
      expect(new Set(rows.map((row) => row.theirName)).size).toBe(rows.length);
      expect([...naming.modules.keys()].filter((path) => findModule(graph, path) === undefined)).toEqual([]);
    }
  });

  it.each(Object.keys(families))("%s has a CIFAR variant of 6 to 12 million MACs", (family) => {
    const small = listVariants(familyOf(family).name)
      .map(({ name }) => build(name))
      .filter(({ graph, classes }) => findNode(graph, "input")?.shape.join() === "1,32,32,3" && classes === 10)
      .filter(({ graph }) => countMacs(graph) >= 6e6 && countMacs(graph) <= 12e6);
    expect(small.map(({ name }) => name)).toContain(`${family}_cifar`);
  });

  it("lists names once", () => {
    const names = listVariants().map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it("has a rule and a description for every option of every family", () => {
    for (const { defaults, optionRules } of Object.values(families)) {
      expect(Object.keys(optionRules)).toEqual(expect.arrayContaining(Object.keys(defaults)));
      for (const rule of Object.values(optionRules)) expect(rule.description.length).toBeGreaterThan(10);
    }
  });

  it("draws depthwise kernels by the fan of one group", () => {
    const { graph } = build("mobilenet_v2");
    const kernel = findNode(graph, "stage2/unit1/depthwise/kernel")!.operation;
    expect(kernel).toMatchObject({ initializer: { kind: "normal", deviation: Math.sqrt(2 / 9) } });
  });
});

/** Whether a figure is the exact number rounded or cut to the digits that are printed, at most `unit` coarse. */
function isPrinted(figure: number | undefined, exact: number, unit: number): boolean {
  if (figure === undefined) return true;
  let digit = unit;
  while (digit > 1 && Math.abs(figure / digit - Math.round(figure / digit)) > 1e-6) digit /= 10;
  const printed = Math.round(figure / digit);
  return printed === Math.round(exact / digit) || printed === Math.floor(exact / digit);
}
