import { describe, expect, it } from "vitest";
import { GraphError, OptionError, ShapeError } from "../errors.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { activations } from "../graph/operations.ts";
import { type Doubles, directionError, doubles, toDoubles } from "../testing/gradients.ts";
import { randomStep } from "../testing/random_step.ts";
import type { StepGraph } from "./step_graph.ts";
import { verifyStepGraph } from "./step_operations.ts";
import { trainingStep } from "./training_graph.ts";

/** A graph on pictures of 4x4x3 whose body's result is averaged and classified. */
function classifierOf(body: (build: GraphBuilder, x: Value) => Value): Graph {
  const build = graphBuilder("example");
  const y = body(build, build.input("x", [1, 4, 4, 3]));
  const flat = build.flatten("flat", build.globalAveragePool("pool", y));
  return build.build({ output: build.linear("classifier", flat, { channels: 5 }) });
}

/** `NAME: op(inputs)` of the nodes up to the logits, without parameters; an activation stands behind the operation. */
function forwardLines(step: StepGraph): readonly string[] {
  const names = (inputs: readonly number[]): string => inputs.map((input) => step.nodes[input]?.name).join(", ");
  return step.nodes
    .slice(0, step.logits + 1)
    .filter(({ operation }) => operation.op !== "parameter")
    .map(({ name, operation, inputs }) => {
      const activation = "activation" in operation && operation.activation !== "none" ? `+${operation.activation}` : "";
      return `${name}: ${operation.op}${activation}(${names(inputs)})`;
    });
}

describe("trainingStep", () => {
  it("takes batch norm's moments of the micro-batch, and fuses the activation that alone reads it", () => {
    const graph = classifierOf((build, x) => {
      const y = build.convolution("stem", x, { channels: 2 });
      return build.activation("relu", build.batchNorm("norm", y, { epsilon: 0.01 }), "relu6");
    });
    const step = trainingStep(graph, { batch: 7 });
    verifyStepGraph(step);
    expect(forwardLines(step).slice(0, 5)).toEqual([
      "x: input()",
      "stem: convolution(x, stem/kernel)",
      "norm/moments: moments(stem)",
      "norm: normalize+relu6(stem, norm/moments, norm/gamma, norm/beta)",
      "pool: global_average_pool(norm)",
    ]);
    expect(step.nodes.map(({ name }) => name)).not.toContain("norm/mean");
    expect(step.nodes.find(({ name }) => name === "norm")?.shape).toEqual([7, 4, 4, 2]);
    expect(step.moments).toEqual([
      {
        value: step.nodes.find(({ name }) => name === "norm/moments")?.id,
        count: 7 * 16,
        mean: "norm/mean",
        variance: "norm/variance",
      },
    ]);
    expect(step.nodes[step.loss]?.shape).toEqual([7]);
    expect([...step.gradients.keys()]).toEqual([
      "stem/kernel",
      "norm/gamma",
      "norm/beta",
      "classifier/kernel",
      "classifier/bias",
    ]);
  });

  describe("what a kernel's gradient reads", () => {
    const normed = (build: GraphBuilder, name: string, x: Value) =>
      build.batchNorm(`${name}/norm`, build.convolution(name, x, { channels: 4 }));
    const shuffled = (build: GraphBuilder, name: string, x: Value) =>
      build.permute(name, x, { kind: "shuffle", groups: 2 });
    /** By convolution: what its kernel's gradient reads, and what that was made of. */
    const readOf = (body: Parameters<typeof classifierOf>[0], frozen?: (parameter: string) => boolean) => {
      const { nodes } = trainingStep(classifierOf(body), { batch: 7, frozen });
      const readBy = (name: string) => nodes[nodes.find((node) => node.name === name)?.inputs[0] as number]?.name;
      return (convolution: string) => {
        const read = readBy(`${convolution}/kernel/gradient`) as string;
        return [read, readBy(read)];
      };
    };

    it("is normalized again where nobody else keeps it", () => {
      const read = readOf((build, x) => {
        const first = normed(build, "a", x);
        const second = normed(build, "b", first);
        const sum = build.add("sum", build.convolution("c", second, { channels: 4 }), second);
        return build.multiply("product", sum, normed(build, "d", sum));
      });
      expect(["a", "b", "c", "d"].map((name) => read(name)[0])).toEqual(["x", "a/norm/again", "b/norm/again", "sum"]);
    });

    it("is permuted again after it was normalized again", () => {
      const read = readOf((build, x) => {
        const y = normed(build, "b", shuffled(build, "shuffle", normed(build, "a", x)));
        return normed(build, "c", shuffled(build, "turned", build.convolution("plain", y, { channels: 4 })));
      });
      expect(read("b")).toEqual(["shuffle/again", "a/norm/again"]);
      expect(read("c")).toEqual(["turned", "plain"]);
    });

    it("is what it was where a maximum pool reads it, or a permutation of it", () => {
      const read = readOf((build, x) => {
        const y = shuffled(build, "shuffle", normed(build, "a", x));
        const pooled = build.maxPool("largest", y, { kernel: 3, stride: 1, padding: 1 });
        return build.add("sum", normed(build, "b", y), pooled);
      });
      expect(read("b")).toEqual(["shuffle", "a/norm"]);
    });

    it("is what it was where its own gradient is not wanted", () => {
      const read = readOf(
        (build, x) => normed(build, "b", normed(build, "a", x)),
        (parameter) => parameter !== "b/kernel",
      );
      expect(read("b")[0]).toBe("a/norm");
    });
  });

  it("leaves an activation apart whose input somebody else reads", () => {
    const graph = classifierOf((build, x) => {
      const norm = build.batchNorm("norm", x);
      return build.add("sum", norm, build.activation("relu", norm, "relu"));
    });
    expect(forwardLines(trainingStep(graph, { batch: 1 })).slice(2, 5)).toEqual([
      "norm: normalize(x, norm/moments, norm/gamma, norm/beta)",
      "relu: activation+relu(norm)",
      "sum: add(norm, relu)",
    ]);
  });

  it("fuses an activation into a convolution or an addition only where its derivative can be told from its output", () => {
    for (const activation of activations) {
      const separate = classifierOf((build, x) => {
        const y = build.activation("first", build.convolution("stem", x, { channels: 3 }), activation);
        return build.activation("second", build.add("sum", x, y), activation);
      });
      const fused = classifierOf((build, x) => {
        const y = build.convolution("stem", x, { channels: 3, activation });
        return build.node("sum", { op: "add", activation }, [x, y]);
      });
      const isFused = ["none", "relu", "relu6"].includes(activation);
      const suffix = activation === "none" ? "" : `+${activation}`;
      const whole = [`stem: convolution${suffix}(x, stem/kernel)`, `sum: add${suffix}(x, stem)`];
      const first = forwardLines(trainingStep(separate, { batch: 1 }));
      const second = forwardLines(trainingStep(fused, { batch: 1 }));
      if (isFused) {
        expect(first.slice(1, 3), activation).toEqual(whole);
        expect(second.slice(1, 3), activation).toEqual(whole);
        continue;
      }
      expect(first.slice(1, 5), activation).toEqual([
        "stem: convolution(x, stem/kernel)",
        `first: activation${suffix}(stem)`,
        "sum: add(x, first)",
        `second: activation${suffix}(sum)`,
      ]);
      expect(second.slice(1, 5), activation).toEqual([
        `stem/before_${activation}: convolution(x, stem/kernel)`,
        `stem: activation${suffix}(stem/before_${activation})`,
        `sum/before_${activation}: add(x, stem)`,
        `sum: activation${suffix}(sum/before_${activation})`,
      ]);
    }
  });

  it("multiplies by a mask for a dropout, and by none where its rate is 0", () => {
    const graph = classifierOf((build, x) => build.dropout("never", build.dropout("often", x, 0.5), 0));
    const step = trainingStep(graph, { batch: 2 });
    expect(forwardLines(step).slice(0, 4)).toEqual([
      "x: input()",
      "mask:often: input()",
      "often: multiply(x, mask:often)",
      "pool: global_average_pool(often)",
    ]);
    expect(step.nodes.find(({ name }) => name === "mask:often")?.shape).toEqual([2, 4, 4, 3]);
  });

  it("gives logits where the network gives probabilities, and flattens them where they are one pixel", () => {
    const build = graphBuilder("probabilities");
    const means = build.globalAveragePool("pool", build.input("x", [1, 4, 4, 3]));
    const scores = build.convolution("scores", means, { channels: 5 });
    const step = trainingStep(build.build({ output: build.softmax("softmax", scores) }), { batch: 3 });
    expect(forwardLines(step)).toEqual([
      "x: input()",
      "pool: global_average_pool(x)",
      "scores: convolution(pool, scores/kernel)",
      "logits: flatten(scores)",
    ]);
    expect(step.nodes[step.logits]?.shape).toEqual([3, 5]);
  });

  it("normalizes by the running statistics where they are frozen", () => {
    const graph = classifierOf((build, x) => build.batchNorm("norm", x));
    const step = trainingStep(graph, { batch: 2, frozen: (name) => name.startsWith("norm/") });
    verifyStepGraph(step);
    expect(step.moments).toEqual([]);
    expect([...step.gradients.keys()]).toEqual(["classifier/kernel", "classifier/bias"]);
    expect(forwardLines(step).slice(1, 6)).toEqual([
      "norm/running_mean: reshape(norm/mean)",
      "norm/running_variance: reshape(norm/variance)",
      "norm/running_moments/row: concatenate(norm/running_mean, norm/running_variance)",
      "norm/running_moments: reshape(norm/running_moments/row)",
      "norm: normalize(x, norm/running_moments, norm/gamma, norm/beta)",
    ]);
  });

  it("leaves out what the logits do not need, but no input", () => {
    const graph = classifierOf((build, x) => {
      build.batchNorm("unused", build.input("other", [1, 2]));
      return x;
    });
    const step = trainingStep(graph, { batch: 2 });
    expect(step.nodes.filter(({ name }) => name.startsWith("unused"))).toEqual([]);
    expect(forwardLines(step).slice(0, 2)).toEqual(["x: input()", "other: input()"]);
  });

  it("gives the same nodes each time", () => {
    for (const seed of [1, 2, 3]) {
      expect(randomStep(seed, "parameters").step).toEqual(randomStep(seed, "parameters").step);
    }
  });

  it("refuses what cannot be trained", () => {
    const graph = classifierOf((_, x) => x);
    for (const batch of [0, 1.5, Number.NaN]) {
      expect(() => trainingStep(graph, { batch })).toThrow(
        new OptionError(`The batch must be a whole number of at least 1, received ${batch}.`),
      );
    }
    expect(() => trainingStep(graph, { batch: 1, frozen: () => true })).toThrow(
      new OptionError('Graph "example" has no parameter to train: all of them are frozen.'),
    );
    const two = { ...graph, outputs: [...graph.outputs, { name: "second", value: graph.outputs[0]?.value as never }] };
    expect(() => trainingStep(two, { batch: 1 })).toThrow(
      new GraphError('Training needs a graph with one output, but "example" has 2.'),
    );
    const build = graphBuilder("picture");
    const picture = build.build({ output: build.convolution("y", build.input("x", [1, 2, 2, 3]), { channels: 4 }) });
    expect(() => trainingStep(picture, { batch: 1 })).toThrow(
      new GraphError('Training needs an output [N, classes], but that of "picture" is 1x2x2x4.'),
    );
    const taken = graphBuilder("taken");
    const x = taken.flatten("flat", taken.input("targets", [1, 3]));
    const reserved = taken.build({ output: taken.linear("y", x, { channels: 2 }) });
    expect(() => trainingStep(reserved, { batch: 1 })).toThrow(new GraphError('Two nodes are named "targets".'));
    const fixed = graphBuilder("fixed");
    const offset = fixed.parameter("offset", [1, 3], { kind: "constant", value: 0 });
    const sum = fixed.build({ output: fixed.add("sum", fixed.input("x", [1, 3]), offset) });
    expect(() => trainingStep(sum, { batch: 2 })).toThrow(ShapeError);
  });
});

/** Of the deviation of such a derivative: central differences in double at the best of some step sizes. */
const tolerance = 1e-6;

/** Gammas of zero make ties of all windows of a maximum, where there is no derivative. */
function withoutZeros(weights: Doubles): Doubles {
  return new Map([...weights].map(([name, { shape, data }]) => [name, doubles(shape, (index) => data[index] || 0.5)]));
}

describe("gradients of random graphs", () => {
  it.each(["inputs", "parameters"] as const)("equal finite differences, with the networks' inputs as %s", (inputs) => {
    const failures: string[] = [];
    for (let seed = 0; seed < 250; seed++) {
      const random = randomStep(seed, inputs);
      verifyStepGraph(random.step);
      const error = directionError(random.step, withoutZeros(toDoubles(random.weights)), random.inputs, seed);
      if (!(error < tolerance)) failures.push(`seed ${seed}: ${error}`);
    }
    expect(failures).toEqual([]);
  });
});
