import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import { type Graph, nodesOf, verifyGraph } from "../graph/graph.ts";
import { interpret } from "../graph/interpret.ts";
import { printGraph } from "../graph/print.ts";
import { type Pass, type Program, toProgram, toWeights } from "../passes/program.ts";
import { seededRandom } from "../random.ts";
import { elementCount, tensor, type Weights } from "../tensor.ts";
import { greatestDifference } from "./differences.ts";

/** A small program, what a pass made of it, and how the two compare. */
export interface Rewritten {
  readonly before: Program;
  readonly after: Program;
  /** The graph after the pass, a node a line, without the graph's name and with single spaces. */
  readonly lines: readonly string[];
  /** Largest difference between the outputs before and after, relative to the largest value. */
  readonly difference: number;
}

/** Builds a graph, draws its numbers, and runs `pass` on it. */
export function rewritten(pass: Pass, body: (build: GraphBuilder) => Value | Record<string, Value>): Rewritten {
  const build = graphBuilder("example");
  const result = body(build);
  const graph = build.build("id" in result ? { output: result as Value } : result);
  const before = toProgram(graph, drawnWeights(graph));
  const after = pass.run(before);
  verifyGraph(after.graph);
  const inputs = drawnInputs(graph);
  return {
    before,
    after,
    lines: linesOf(after.graph),
    difference: greatestDifference(outputsOf(after, inputs), outputsOf(before, inputs)),
  };
}

function linesOf(graph: Graph): readonly string[] {
  const [, ...lines] = printGraph(graph).split("\n");
  return lines.map((line) => line.trim().replaceAll(/ +/g, " "));
}

function outputsOf(
  program: Program,
  inputs: Readonly<Record<string, Float32Array>>,
): ReturnType<typeof interpret>["outputs"] {
  return interpret(program.graph, toWeights(program), inputs).outputs;
}

/** Numbers of −1 to 1 for every parameter; variances of 0.5 to 1.5. */
export function drawnWeights(graph: Graph): Weights {
  const variances = new Set(nodesOf(graph, "batch_norm").map(({ inputs }) => inputs[4]));
  return new Map(
    nodesOf(graph, "parameter").map(({ id, name, shape }) => {
      const random = seededRandom(1, name);
      const draw = () => (variances.has(id) ? 0.5 + random.uniform() : 2 * random.uniform() - 1);
      return [name, tensor(shape, Float32Array.from({ length: elementCount(shape) }, draw))];
    }),
  );
}

/** Numbers of −2 to 2 for every input. */
export function drawnInputs(graph: Graph): Record<string, Float32Array> {
  return Object.fromEntries(
    nodesOf(graph, "input").map(({ name, shape }) => {
      const random = seededRandom(2, name);
      return [name, Float32Array.from({ length: elementCount(shape) }, () => 4 * random.uniform() - 2)];
    }),
  );
}
