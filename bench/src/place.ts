import { type CeilingName, ceilings } from "./ceilings.ts";
import { type PeerClient, startPeer } from "./peer_client.ts";
import type { PeerChoice } from "./peers/peers.ts";

/** Where peers run. */
export interface Place extends AsyncDisposable {
  /** For people: `Node 24.1.0`. */
  readonly engine: string;
  start(choice: PeerChoice): PeerClient;
  /** The ceiling of one thread there, measured now: 10^9 multiply-accumulates a second. */
  ceiling(name: CeilingName, milliseconds: number): Promise<number>;
}

/** Node: each peer in a process of its own, the ceilings in this one. */
export async function nodePlace(): Promise<Place> {
  return {
    engine: `Node ${process.versions.node}`,
    start: startPeer,
    ceiling: ceilings(),
    async [Symbol.asyncDispose]() {},
  };
}
