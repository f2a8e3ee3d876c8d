import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GraphError, OptionError, ShapeError, WeightsError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { elementCount, type Shape } from "../tensor.ts";
import { relativeError } from "../testing/differences.ts";
import { doubles } from "../testing/gradients.ts";
import { interpretStep } from "./interpret_step.ts";
import { trainingStep } from "./training_graph.ts";

/** What NumPy makes of a network, row-major: see step_goldens.py, which writes step.golden.json. */
interface Golden {
  readonly loss: readonly number[];
  readonly logits: readonly number[];
  readonly moments: Readonly<Record<string, readonly number[]>>;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

const goldens = (
  JSON.parse(readFileSync(new URL("./step.golden.json", import.meta.url), "utf8")) as {
    cases: Readonly<Record<string, Golden>>;
  }
).cases;

/** The twin of `numbers` in step_goldens.py. */
function goldenNumbers(name: string, shape: Shape): number[] {
  let state = 0;
  for (const letter of name) state = (state * 31 + letter.charCodeAt(0)) % 2 ** 32;
  return Array.from({ length: elementCount(shape) }, () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return 2 * (state / 2 ** 32) - 1;
  });
}

const sides = (top: number, bottom: number, left: number, right: number) => ({ top, bottom, left, right });

function invertedResidual(build: GraphBuilder): Value {
  const x = build.input("input", [1, 5, 6, 4]);
  const normed = (name: string, y: Value): Value => build.batchNorm(`${name}/norm`, y);
  const relu6 = (name: string, y: Value): Value => build.activation(`${name}/relu6`, normed(name, y), "relu6");
  const wide = relu6("expand", build.convolution("expand", x, { channels: 8 }));
  const deep = relu6("depthwise", build.convolution("depthwise", wide, { channels: 8, kernel: 3, groups: 8 }));
  const sum = build.add("sum", normed("project", build.convolution("project", deep, { channels: 4 })), x);
  const down = build.convolution("down", sum, {
    channels: 4,
    kernel: 3,
    stride: 2,
    padding: sides(0, 1, 0, 1),
    groups: 4,
    bias: true,
  });
  const mean = build.globalAveragePool("mean", build.activation("hard_swish", down, "hard_swish"));
  return build.linear("classifier", build.flatten("flat", mean), { channels: 5 });
}

function shuffleUnit(build: GraphBuilder): Value {
  const x = build.input("input", [1, 9, 10, 6]);
  const pooled = build.maxPool("max", x, { kernel: 3, stride: 2, padding: 1 });
  const [left, right] = [build.slice("left", pooled, 0, 3), build.slice("right", pooled, 3, 3)];
  const grouped = build.convolution("grouped", right, {
    channels: 6,
    kernel: 3,
    dilation: 2,
    groups: 3,
    padding: 2,
  });
  const swish = build.activation("swish", build.batchNorm("grouped/norm", grouped, { epsilon: 1e-3 }), "swish");
  const joined = build.concatenate("joined", [left, swish, build.slice("middle", right, 1, 1)]);
  const shuffled = build.permute("shuffle", joined, { kind: "shuffle", groups: 2 });
  const average = build.averagePool("average", shuffled, {
    kernel: 2,
    stride: 2,
    padding: 0,
    ceil: true,
    countIncludePad: false,
  });
  return build.linear("classifier", build.flatten("flat", average), { channels: 3 });
}

function squeezeExcite(build: GraphBuilder): Value {
  const x = build.input("input", [2, 6, 7, 2]);
  const stem = build.convolution("stem", x, { channels: 4, kernel: 3, stride: 2, padding: "valid", bias: true });
  const mean = build.globalAveragePool("mean", stem);
  const reduced = build.convolution("reduce", mean, { channels: 3, bias: true, activation: "relu" });
  const gate = build.convolution("expand", reduced, { channels: 4, bias: true, activation: "sigmoid" });
  const large = build.resize("large", build.multiply("gated", stem, gate), 3, 5, "bilinear");
  const soft = build.softmax("soft", build.pad("pad", large, sides(1, 0, 0, 2), 0.5));
  const scale = build.parameter("scale", [2, 4, 7, 4], { kind: "constant", value: 1 });
  const last = build.convolution("last", build.multiply("scaled", soft, scale), { channels: 4, stride: 2, padding: 0 });
  return build.activation("relu", build.flatten("flat", build.globalAveragePool("last/mean", last)), "relu");
}

/** Networks of step_goldens.py, with the shapes of their batch. */
const cases = [
  ["inverted residual", invertedResidual, [3, 5, 6, 4], 5],
  ["shuffle unit", shuffleUnit, [2, 9, 10, 6], 3],
  ["squeeze and excite", squeezeExcite, [2, 6, 7, 2], 4],
] as const;

function softTargets(shape: readonly [number, number]): number[] {
  const exponentials = goldenNumbers("targets", shape).map((value) => Math.exp(3 * value));
  const classes = shape[1];
  return exponentials.map((value, index) => {
    const start = index - (index % classes);
    return value / exponentials.slice(start, start + classes).reduce((a, b) => a + b, 0);
  });
}

describe("interpretStep", () => {
  // The golden numbers have 12 digits. In float32 each value that is stored is rounded by 6e-8, some tens of times in a row.
  const tolerances = { f64: 1e-10, f32: 2e-5 } as const;

  for (const precision of ["f64", "f32"] as const) {
    it.each(cases)(`gives NumPy's losses and gradients in ${precision}: %s`, (name, body, shape, classes) => {
      const build = graphBuilder(name);
      const step = trainingStep(build.build({ output: body(build) }), { batch: shape[0] });
      const parameters = step.nodes.filter(({ operation }) => operation.op === "parameter");
      const weights = new Map(
        parameters.map((node) => {
          const numbers = goldenNumbers(node.name, node.shape);
          return [node.name, doubles(node.shape, (index) => numbers[index] as number)];
        }),
      );
      const picture = goldenNumbers("input", shape);
      const targets = softTargets([shape[0], classes]);
      const inputs = {
        input: doubles(shape, (index) => 2 * (picture[index] as number)),
        targets: doubles([shape[0], classes], (index) => targets[index] as number),
      };
      const golden = goldens[name] as Golden;
      const result = interpretStep(step, weights, inputs, { precision });
      const tolerance = tolerances[precision];
      expect(relativeError(result.loss.data, golden.loss)).toBeLessThan(tolerance);
      expect(relativeError(result.logits.data, golden.logits)).toBeLessThan(tolerance);
      expect([...result.gradients.keys()].toSorted()).toEqual(Object.keys(golden.gradients).toSorted());
      for (const [parameter, gradient] of result.gradients) {
        expect(gradient.dtype).toBe(precision);
        expect(relativeError(gradient.data, golden.gradients[parameter] ?? []), parameter).toBeLessThan(tolerance);
      }
      const moments = Object.values(golden.moments);
      expect(result.moments.length).toBe(moments.length);
      for (const [index, { data }] of result.moments.entries()) {
        expect(relativeError(data, moments[index] ?? [])).toBeLessThan(tolerance);
      }
    });
  }

  const build = graphBuilder("linear");
  const graph: Graph = build.build({
    output: build.linear("y", build.dropout("dropout", build.input("x", [1, 2]), 0.5), { channels: 2, bias: false }),
  });
  const step = trainingStep(graph, { batch: 1 });
  const weights = new Map([["y/kernel", doubles([2, 2], (index) => [1, -1, 0, 2][index] as number)]]);
  const inputs = {
    x: Float32Array.of(3, 5),
    "mask:dropout": Float32Array.of(2, 0),
    targets: Float32Array.of(1, 0),
  };

  it("gives what is worked out by hand", () => {
    const { loss, logits, gradients, kept } = interpretStep(step, weights, inputs, { keep: ["dropout"] });
    expect(kept.dropout?.data).toEqual(Float32Array.of(6, 0));
    expect(logits.data).toEqual(Float32Array.of(6, -6));
    const small = Math.log1p(Math.exp(-12));
    expect(loss.data[0]).toBeCloseTo(small, 10);
    const second = 1 / (1 + Math.exp(12));
    expect(relativeError(gradients.get("y/kernel")?.data ?? [], [-6 * second, 6 * second, 0, 0])).toBeLessThan(1e-6);
  });

  it("is finite for logits that overflow exp", () => {
    const { loss, gradients } = interpretStep(step, weights, { ...inputs, x: Float32Array.of(-1e4, 0) });
    expect(loss.data).toEqual(Float32Array.of(4e4));
    expect(gradients.get("y/kernel")?.data).toEqual(Float32Array.of(2e4, -2e4, 0, 0));
  });

  it("says what is missing", () => {
    expect(() => interpretStep(step, new Map(), inputs)).toThrow(WeightsError);
    expect(() => interpretStep(step, weights, { x: inputs.x, targets: inputs.targets })).toThrow(
      new ShapeError('The inputs do not fit graph "linear":\n  "mask:dropout": missing, expected 1x2'),
    );
    expect(() => interpretStep(step, weights, inputs, { keep: ["dropuot"] })).toThrow(OptionError);
    const twice = { ...step, nodes: [...step.nodes, ...step.nodes] };
    expect(() => interpretStep(twice, weights, inputs)).toThrow(GraphError);
  });
});
