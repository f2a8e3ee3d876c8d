import type { Graph } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import { findModule } from "../networks/exchange_names.ts";
import { toFloat32, type Weights } from "../tensor.ts";
import { readGolden, weightsFrom } from "./golden_files.ts";
import type { GoldenNetwork } from "./golden_networks.ts";

/** A golden file as a graph with its weights, and what the reference made of the input. */
export interface GoldenCase {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly input: Float32Array;
  /** The output under `output`, and every tap under the name of our node. */
  readonly expected: Readonly<Record<string, Float32Array>>;
}

/** Reads a golden file and builds its network. */
export function goldenCase({ file, family, options }: GoldenNetwork): GoldenCase {
  const golden = readGolden(file);
  const { graph, namings } = build(family, options);
  const naming = namings.find((each) =>
    [...each.modules.values()].some((module) => golden.checkpoint.has(`${module}.weight`)),
  );
  if (naming === undefined) throw new TypeError(`no naming of ${family} fits ${file}`);
  const expected: Record<string, Float32Array> = { output: toFloat32(golden.output) };
  for (const [tap, numbers] of golden.taps) {
    // A module of the reference may have several names here (a unit and its last node): any of ours will do.
    const path = [...naming.modules].findLast(([, module]) => module === tap)?.[0];
    const node = path === undefined ? undefined : findModule(graph, path);
    if (node === undefined) throw new TypeError(`naming ${naming.name} has no module ${tap}`);
    expected[node.name] = toFloat32(numbers);
  }
  return { graph, weights: weightsFrom(golden.checkpoint, graph, naming), input: toFloat32(golden.input), expected };
}
