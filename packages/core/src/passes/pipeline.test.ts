import { beforeAll, describe, expect, it } from "vitest";
import { operationCost } from "../cost/operation_cost.ts";
import { graphBuilder } from "../graph/builder.ts";
import { type Graph, nodesOf, verifyGraph } from "../graph/graph.ts";
import { interpret } from "../graph/interpret.ts";
import { elementCount } from "../tensor.ts";
import { greatestDifference } from "../testing/differences.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { inferencePasses, type PassReport, runPasses } from "./pipeline.ts";
import { type Pass, type Program, removeDeadNodes, toProgram, toWeights } from "./program.ts";

/**
 * Of the largest absolute value. Fusing rounds once where two operations rounded twice (6e-8 each time), folding rounds each scaled
 * weight; a handful of those in a row, and cancellation between them, stay well below.
 */
const TOLERANCE = 1e-5;

/** These move operations about and change no arithmetic: not one bit may differ. */
const exactPasses = new Set([
  "drop inference no-ops",
  "remove common nodes",
  "fold padding",
  "hoist channelwise",
  "distribute add",
]);

const SEEDS = 300;

/** A pass at work on random graph `seed`: as it is, and as the passes before it in the list leave it. */
interface Trial {
  readonly label: string;
  readonly before: Program;
  readonly after: Program;
  readonly inputs: Readonly<Record<string, Float32Array>>;
}

function trialsOf(pass: Pass): readonly Trial[] {
  const trials: Trial[] = [];
  const earlier = inferencePasses.slice(0, inferencePasses.indexOf(pass));
  for (let seed = 0; seed < SEEDS; seed++) {
    const { graph, weights, inputs } = randomGraph(seed);
    // Dropping dead nodes alone would count as a change.
    const raw = removeDeadNodes(toProgram(graph, weights));
    trials.push({ label: `seed ${seed}`, before: raw, after: pass.run(raw), inputs });
    const prepared = runPasses(raw, earlier);
    if (prepared === raw) continue;
    trials.push({ label: `seed ${seed}, prepared`, before: prepared, after: pass.run(prepared), inputs });
  }
  return trials;
}

function outputsOf(program: Program, inputs: Trial["inputs"]): ReturnType<typeof interpret>["outputs"] {
  return interpret(program.graph, toWeights(program), inputs).outputs;
}

function workOf(graph: Graph): { macs: number; elementwise: number } {
  const costs = graph.nodes.map((node) => operationCost(graph, node));
  return {
    macs: costs.reduce((sum, { macs }) => sum + macs, 0),
    elementwise: costs.reduce((sum, { elementwise }) => sum + elementwise, 0),
  };
}

function parametersOf(graph: Graph): number {
  return nodesOf(graph, "parameter").reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** Whether some parameter has two readers; folding then needs a copy for each. */
function sharesParameters(graph: Graph): boolean {
  const reads = graph.nodes.flatMap(({ inputs }) => inputs);
  return nodesOf(graph, "parameter").some(({ id }) => reads.filter((read) => read === id).length > 1);
}

describe.each(inferencePasses)("$name", (pass) => {
  let trials: readonly Trial[];
  beforeAll(() => {
    trials = trialsOf(pass);
  });

  it("keeps every output of random graphs", { timeout: 120_000 }, () => {
    const allowed = exactPasses.has(pass.name) ? 0 : TOLERANCE;
    const failures: string[] = [];
    for (const { label, before, after, inputs } of trials) {
      if (before === after) continue;
      const difference = greatestDifference(outputsOf(after, inputs), outputsOf(before, inputs));
      if (!(difference <= allowed)) failures.push(`${label}: ${difference}`);
    }
    expect(failures).toEqual([]);
  });

  it("makes graphs that verify, with numbers for every parameter and for nothing else", () => {
    for (const { label, before, after } of trials) {
      if (before === after) continue;
      verifyGraph(after.graph);
      const names = nodesOf(after.graph, "parameter").map(({ name }) => name);
      expect([...after.weights.keys()].toSorted(), label).toEqual(names.toSorted());
      expect(after.graph.outputs.map(({ name }) => name)).toEqual(before.graph.outputs.map(({ name }) => name));
      const inputNames = (graph: Graph) => nodesOf(graph, "input").map(({ name, shape }) => `${name} ${shape}`);
      expect(inputNames(after.graph)).toEqual(inputNames(before.graph));
    }
  });

  it("returns the same object when run again, and works on some random graphs", () => {
    let changed = 0;
    for (const { label, before, after } of trials) {
      if (before !== after) changed++;
      expect(pass.run(after), label).toBe(after);
    }
    // A pass that never worked here would pass every test above.
    expect(changed).toBeGreaterThan(SEEDS / 100);
  });

  it("never adds multiply-adds or work on single elements, nor parameters unless they are shared", () => {
    for (const { label, before, after } of trials) {
      const [was, is] = [workOf(before.graph), workOf(after.graph)];
      expect(is.macs, label).toBeLessThanOrEqual(was.macs);
      expect(is.elementwise, label).toBeLessThanOrEqual(was.elementwise);
      if (!sharesParameters(before.graph)) {
        expect(parametersOf(after.graph), label).toBeLessThanOrEqual(parametersOf(before.graph));
      }
    }
  });

  it("does not touch the program it is given", () => {
    for (let seed = 0; seed < 50; seed++) {
      const { graph, weights } = randomGraph(seed);
      const program = toProgram(graph, weights);
      const before = JSON.stringify([program.graph, [...program.weights].map(([name, data]) => [name, [...data]])]);
      pass.run(program);
      expect(JSON.stringify([program.graph, [...program.weights].map(([name, data]) => [name, [...data]])])).toBe(
        before,
      );
    }
  });
});

describe("runPasses", () => {
  it("keeps every output of random graphs", { timeout: 60_000 }, () => {
    const failures: string[] = [];
    for (let seed = 0; seed < SEEDS; seed++) {
      const { graph, weights, inputs } = randomGraph(seed);
      const after = runPasses(toProgram(graph, weights));
      const difference = greatestDifference(outputsOf(after, inputs), interpret(graph, weights, inputs).outputs);
      if (!(difference <= TOLERANCE)) failures.push(`seed ${seed}: ${difference}`);
    }
    expect(failures).toEqual([]);
  });

  it("tells of every pass in order, and which of them changed something", () => {
    const build = graphBuilder("norm");
    const x = build.input("input", [1, 4, 4, 3]);
    const norm = build.batchNorm("norm", build.convolution("conv", x, { channels: 2 }));
    const graph = build.build({ output: norm });
    const numbers = nodesOf(graph, "parameter").map(({ name, shape }) => {
      const data = new Float32Array(elementCount(shape)).fill(1);
      return [name, { dtype: "f32" as const, shape, data }] as const;
    });
    const reports: PassReport[] = [];
    const result = runPasses(toProgram(graph, new Map(numbers)), inferencePasses, (report) => reports.push(report));
    expect(reports.map(({ pass }) => pass)).toEqual(inferencePasses.map(({ name }) => name));
    expect(reports.filter(({ changed }) => changed).map(({ pass }) => pass)).toEqual(["fold batch norm"]);
    expect(reports.at(-1)?.program).toBe(result);
    expect(reports.every(({ milliseconds }) => milliseconds >= 0)).toBe(true);
  });
});
