import { parseArgs } from "node:util";
import { listVariants, suggestion } from "@depthwise/core/networks";
import { findPeer, type PeerChoice, peerNames, peers } from "./peers/peers.ts";

/** What the command line asks for. */
export interface BenchOptions {
  readonly models: readonly string[];
  readonly peers: readonly PeerChoice[];
  readonly threads: number;
  readonly rounds: number;
  /** Print the results as JSON instead of the table. */
  readonly json: boolean;
  /** Measure layer by layer too. */
  readonly layers: boolean;
  /** Say what a page would load, too. */
  readonly sizes: boolean;
}

/** A mistake in the arguments. */
export class UsageError extends Error {}

/** The networks that are measured if none is named. */
export const defaultModels: readonly string[] = ["mobilenet_v2_1.0_224", "squeezenet_1.1"];

/** One network of each family, as their papers give them. */
export const headlineModels: readonly string[] = [
  "mobilenet_v1_1.0_224",
  "mobilenet_v2_1.0_224",
  "shufflenet_v1_1.0_g3",
  "shufflenet_v2_1.0",
  "igcv1_l100m2_imagenet",
  "igcv2_1.0",
  "igcv3_d_1.0",
  "squeezenet_1.0",
  "squeezenet_1.1",
  "squeezenext_1.0_23",
  "xception",
];

const defaults = { peers: "depthwise,onnxruntime-web,onnxruntime-node", threads: "1", rounds: "15" } as const;

/** Printed by `--help`. */
export const help = `Measures networks on several runtimes, in turns, on this machine.

Usage: npm run bench -- [MODEL...] [options]

A MODEL is a name that "depthwise list" prints, or "headline" for one network of each family.
Default: ${defaultModels.join(" ")}

Options:
  --peers A,B      what to compare; the first is what the ratios are of (default ${defaults.peers})
  --threads T      threads of each peer (default ${defaults.threads})
  --rounds R       turns of each peer (default ${defaults.rounds})
  --layers         time of each layer too, beside the peers that profile themselves
  --sizes          bytes that a page would load, too (compresses for a minute)
  --json           the results as JSON on stdout
  --help           this text

Peers (with "-wide" after the name: under V8's experimental merging of 128-bit operations):
${Object.entries(peers)
  .map(([name, { description }]) => `  ${name.padEnd(16)} ${description}`)
  .join("\n")}

Examples:
  npm run bench
  npm run bench -- squeezenet_1.1 --peers depthwise,litert --rounds 40
  npm run bench -- headline --json > results.json

Samples, with machine and versions, are written to bench/results/ at the end, and a page with bars beside them.
`;

/**
 * The options of a command line, or undefined where help is asked for.
 *
 * @throws {UsageError} that names what is wrong
 */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const models = positionals.flatMap((name) => (name === "headline" ? headlineModels : [name]));
  for (const name of models) checkModel(name);
  const chosen = values.peers.split(",").map((name) => {
    const peer = findPeer(name);
    if (peer !== undefined) return peer;
    throw new UsageError(
      `There is no peer "${name}". ${suggestion(name, peerNames) ?? `Peers: ${peerNames.join(", ")}.`}`,
    );
  });
  return {
    models: models.length > 0 ? models : defaultModels,
    peers: chosen,
    threads: count("--threads", values.threads),
    rounds: count("--rounds", values.rounds),
    json: values.json,
    layers: values.layers,
    sizes: values.sizes,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        peers: { type: "string", default: defaults.peers },
        threads: { type: "string", default: defaults.threads },
        rounds: { type: "string", default: defaults.rounds },
        layers: { type: "boolean", default: false },
        sizes: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function checkModel(name: string): void {
  const names = listVariants().map((variant) => variant.name);
  if (!names.includes(name)) throw new UsageError(`There is no network "${name}". ${suggestion(name, names) ?? ""}`);
}

function count(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new UsageError(`Expected a whole number of at least 1 for ${option}, received "${text}".`);
}
