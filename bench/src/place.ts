import { type Ceiling, createCeiling } from "../../packages/core/src/compiler/measure_ceiling.ts";
import { type PeerClient, startPeer } from "./peer_client.ts";
import type { PeerChoice } from "./peers/peers.ts";

/** Where peers run. */
export interface Place extends AsyncDisposable {
  /** For people: `Node 24.1.0`. */
  readonly engine: string;
  start(choice: PeerChoice): PeerClient;
  /** The ceiling of one thread there, measured now: 10^9 multiply-accumulates a second. */
  ceiling(simd: Ceiling["simd"], milliseconds: number): Promise<number>;
}

/** Node: each peer in a process of its own, the ceiling in this one. */
export async function nodePlace(): Promise<Place> {
  const ceilings = { relaxed: await createCeiling("relaxed"), plain: await createCeiling("plain") };
  return {
    engine: `Node ${process.versions.node}`,
    start: startPeer,
    ceiling: async (simd, milliseconds) => ceilings[simd].measure(milliseconds),
    async [Symbol.asyncDispose]() {},
  };
}
