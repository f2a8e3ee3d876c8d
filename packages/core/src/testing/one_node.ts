import { compile } from "../compiler/compile.ts";
import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { interpret } from "../graph/interpret.ts";
import type { Manifest } from "../runtime/manifest.ts";
import { load } from "../runtime/model.ts";
import type { Weights } from "../tensor.ts";
import { greatestDifference } from "./differences.ts";
import { drawnInputs, drawnWeights } from "./rewritten.ts";

/** Both builds of every kernel. */
export const simdKinds = ["relaxed", "plain"] as const;

/** A graph of a node or two. */
export function smallGraph(body: (build: GraphBuilder) => Value | Record<string, Value>): Graph {
  const build = graphBuilder("small");
  const result = body(build);
  return build.build("id" in result ? { output: result as Value } : result);
}

/** Numbers to use instead of drawn ones. */
export interface Numbers {
  readonly weights?: Weights;
  readonly inputs?: Readonly<Record<string, Float32Array>>;
}

/**
 * Compiles a graph in every way, runs it on memory full of NaN, and compares with the interpreter.
 *
 * What stands in memory before a run is NaN with bits of its own, everywhere but in the constants and the inputs: a kernel that reads
 * what nobody wrote shows it in the output, and one that writes over constants or inputs or beyond the arena is caught.
 *
 * @returns the largest difference, relative to the largest value of an output
 */
export async function compareWithInterpreter(graph: Graph, numbers: Numbers = {}): Promise<number> {
  const weights = numbers.weights ?? drawnWeights(graph);
  const inputs = numbers.inputs ?? drawnInputs(graph);
  const expected = interpret(graph, weights, inputs).outputs;
  const differences: number[] = [];
  for (const simd of simdKinds) {
    const compiled = compile(graph, { weights, simd });
    using model = await load(compiled);
    const { manifest } = model;
    const memory = new Uint32Array(model.output(manifest.outputs[0]?.name ?? "").buffer);
    const { constants, arena, end } = sections(manifest);
    const packed = memory.slice(constants, arena);
    for (let word = 0; word < memory.length; word++) if (word < constants || word >= arena) memory[word] = guard(word);
    const actual = model.run(inputs);
    differences.push(greatestDifference(actual, expected));
    const check = (word: number, value: number | undefined, whose: string): void => {
      if (memory[word] !== value) throw new TypeError(`${simd}: word ${word}, ${whose}, was written over`);
    };
    for (let word = 0; word < constants; word++) check(word, guard(word), "before the constants");
    for (let word = constants; word < arena; word++) check(word, packed[word - constants], "a constant");
    for (let word = end; word < memory.length; word++) check(word, guard(word), "after the arena");
    // Again, on what the first run left behind: the same bits.
    const again = model.run(inputs);
    for (const [name, data] of Object.entries(actual)) {
      if (bitsOf(again[name]) !== bitsOf(data)) throw new TypeError(`${simd}: a second run gives another ${name}`);
    }
  }
  return Math.max(...differences);
}

/** Numbers as text that tells zeros and NaNs apart. */
function bitsOf(floats: Float32Array | undefined): string {
  return new Uint32Array(Float32Array.from(floats ?? []).buffer).join();
}

/** A quiet NaN that tells where it stood. */
function guard(word: number): number {
  return 0x7fc0_0000 | (word & 0x3f_ffff);
}

/** First words of the module's sections. Constants begin at the first cache line, the arena follows them. */
function sections({ weightBytes, transformedBytes = 0, arenaBytes }: Manifest): {
  constants: number;
  arena: number;
  end: number;
} {
  const constants = 64 / 4;
  const arena = constants + (weightBytes + transformedBytes) / 4;
  return { constants, arena, end: arena + arenaBytes / 4 };
}
