import { parseArgs } from "node:util";
import { listVariants, suggestion } from "@depthwise/core/networks";
import { findPeer, type PeerChoice, peerNames, peers } from "./peers/peers.ts";
import { isSiteName, type SiteName, sites } from "./start/sites.ts";

/** What the command line asks for. */
export interface BenchOptions {
  readonly models: readonly string[];
  readonly peers: readonly PeerChoice[];
  /** Sites whose start is measured; where there are any, nothing else is measured. */
  readonly sites: readonly SiteName[];
  /** Measure inside one page of Chromium instead of Node. */
  readonly chromium: boolean;
  readonly threads: number;
  readonly rounds: number;
  /** Print the results as JSON instead of the table. */
  readonly json: boolean;
  /** Measure layer by layer too. */
  readonly layers: boolean;
  /** Say what a page would load, too. */
  readonly sizes: boolean;
  /** Measure what bounds the network, too. */
  readonly limits: boolean;
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

/** What is measured: runs in Node, runs in a page, or starts of pages. */
type Mode = "node" | "chromium" | "start";

const defaultPeers: Readonly<Record<Mode, string>> = {
  node: "depthwise,onnxruntime-web,onnxruntime-node",
  chromium: "depthwise,litert,onnxruntime-web,tfjs",
  start: Object.keys(sites).join(","),
};

const defaultRounds: Readonly<Record<Mode, string>> = { node: "15", chromium: "15", start: "7" };

/** Printed by `--help`. */
export const help = `Measures networks on several runtimes, in turns, on this machine.

Usage: npm run bench -- [MODEL...] [options]

A MODEL is a name that "depthwise list" prints, or "headline" for one network of each family.
Default: ${defaultModels.join(" ")}

Options:
  --peers A,B      what to compare; the first is what the ratios are of (default ${defaultPeers.node})
  --threads T      threads of each peer (default 1)
  --rounds R       turns of each peer (default ${defaultRounds.node})
  --chromium       in one page of Chromium instead of Node (default peers ${defaultPeers.chromium})
  --start          instead: from navigation to the first result, in fresh browsers, and bytes transferred
                   (default peers ${defaultPeers.start};
                   ${defaultRounds.start} rounds)
  --layers         time of each layer too, beside the peers that profile themselves
  --sizes          bytes that a page would load, too (compresses for a minute)
  --limits         what one core gives over a longer time, and each of our layers by itself, too
  --json           the results as JSON on stdout
  --help           this text

Peers (with "-wide" after the name: under V8's experimental merging of 128-bit operations; with ":2" after it: on two threads,
whatever --threads says; with "-twice": two copies at once, which shows what two cores give that do nothing for each other):
${Object.entries(peers)
  .map(([name, { description }]) => `  ${name.padEnd(16)} ${description}`)
  .join("\n")}

Examples:
  npm run bench
  npm run bench -- squeezenet_1.1 --peers depthwise,litert --rounds 40
  npm run bench -- mobilenet_v2_1.0_224 --peers depthwise,depthwise:2,depthwise-twice
  npm run bench -- squeezenet_1.1 --chromium
  npm run bench -- mobilenet_v2_1.0_224 --start
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
  const mode = modeOf(values);
  const chosen = (values.peers ?? defaultPeers[mode]).split(",");
  return {
    models: models.length > 0 ? models : defaultModels,
    peers: mode === "start" ? [] : chosen.map((name) => parsePeer(name, mode)),
    sites: mode === "start" ? chosen.map(parseSite) : [],
    chromium: mode === "chromium",
    threads: count("--threads", values.threads),
    rounds: count("--rounds", values.rounds ?? defaultRounds[mode]),
    json: values.json,
    layers: values.layers,
    sizes: values.sizes,
    limits: values.limits,
  };
}

/** @throws {UsageError} for options that have no meaning together */
function modeOf({ chromium, start, threads, layers, sizes, limits }: ReturnType<typeof parse>["values"]): Mode {
  if (chromium && start) throw new UsageError("Either --chromium or --start: starts are measured in Chromium anyway.");
  if (!chromium && !start) return "node";
  const mode = chromium ? "chromium" : "start";
  if (threads !== "1") throw new UsageError(`--${mode} measures one thread, received --threads ${threads}.`);
  if (layers) throw new UsageError(`--layers measures in Node, received --${mode} too.`);
  if (limits) throw new UsageError(`--limits measures in Node, received --${mode} too.`);
  if (start && sizes) throw new UsageError("--start lists bytes already, received --sizes too.");
  return mode;
}

function parsePeer(name: string, mode: Mode): PeerChoice {
  const peer = findPeer(name);
  if (peer === undefined)
    throw new UsageError(
      `There is no peer "${name}". ${suggestion(name, peerNames) ?? `Peers: ${peerNames.join(", ")}.`}`,
    );
  if (mode === "chromium" && (peer.wide || peer.twice || peer.threads || !peer.entry.inPages))
    throw new UsageError(`"${name}" does not run in a page. Peers that do: ${peersInPages.join(", ")}.`);
  return peer;
}

const peersInPages = peerNames.filter((name) => findPeer(name)?.entry.inPages);

function parseSite(name: string): SiteName {
  if (isSiteName(name)) return name;
  const names = Object.keys(sites);
  throw new UsageError(`There is no start of "${name}". ${suggestion(name, names) ?? `Starts: ${names.join(", ")}.`}`);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        peers: { type: "string" },
        threads: { type: "string", default: "1" },
        rounds: { type: "string" },
        chromium: { type: "boolean", default: false },
        start: { type: "boolean", default: false },
        layers: { type: "boolean", default: false },
        sizes: { type: "boolean", default: false },
        limits: { type: "boolean", default: false },
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

/** @throws {UsageError} unless it is a whole number of at least 1 */
export function count(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new UsageError(`Expected a whole number of at least 1 for ${option}, received "${text}".`);
}
