import type { Graph, Weights } from "@depthwise/core";

/** How a peer is to run. */
export interface PeerOptions {
  readonly threads: number;
  /** Whether V8 merges pairs of 128-bit operations in this process (`--experimental-wasm-revectorize`). */
  readonly wide: boolean;
  /** Whether each run's steps are timed. Peers that cannot do that run as ever. */
  readonly profile: boolean;
}

/** A network that a peer has loaded, with its input. */
export interface Loaded {
  /** Takes the input over, in whatever layout the peer wants. Not timed. */
  feed(input: Float32Array): void;
  /** Runs on that input and gives the output as numbers of JavaScript's. This is what is timed. */
  run(): Promise<Float32Array>;
  /** What the peer says of each of its own steps over the runs so far, if it was loaded to time them and can. Asked for once. */
  profile?(): Promise<readonly PeerStep[] | undefined>;
  dispose(): void;
}

/** Time of one of a peer's own steps. */
export interface PeerStep {
  /** Named after the node of the graph that it comes from: `stage3/unit2/depthwise`, or longer. */
  readonly name: string;
  readonly op: string;
  readonly milliseconds: number;
}

/** A runtime that runs networks on a CPU. Loaded in a process of its own, or in a page with the others. */
export interface Peer {
  /** Bytes that a page would load to use it, weights aside, as far as files of its own: addresses. Empty: nothing beside the network. */
  readonly shipped: readonly URL[];
  /** The graph has one input `input` `[1, H, W, C]` and one output `output`. */
  load(graph: Graph, weights: Weights, options: PeerOptions): Promise<Loaded>;
}
