import type { PeerStep } from "./peer.ts";

/** What the bench asks a measuring process. One question is open at a time. */
export type Question =
  | { readonly ask: "load"; readonly model: string; readonly threads: number; readonly profile: boolean }
  | { readonly ask: "output" }
  | { readonly ask: "turn"; readonly runs: number }
  | { readonly ask: "profile" }
  | { readonly ask: "unload" };

/** What each question is answered with. */
export interface Answers {
  readonly load: {
    /** From the graph and its weights to a network that is ready, peer's own start included. */
    readonly loadMs: number;
    /** The first run after that. */
    readonly firstRunMs: number;
  };
  readonly output: { readonly output: Float32Array };
  /** Of each run, in order. */
  readonly turn: { readonly milliseconds: readonly number[] };
  /** Undefined if the peer says nothing of its steps. */
  readonly profile: { readonly steps: readonly PeerStep[] | undefined };
  readonly unload: Record<string, never>;
}

/** An answer, or why there is none. */
export type Answer<Ask extends Question["ask"] = Question["ask"]> =
  | { readonly ok: true; readonly answer: Answers[Ask] }
  | { readonly ok: false; readonly error: string };
