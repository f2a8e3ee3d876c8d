import type { Peer } from "../peer.ts";
import { versionOf } from "./versions.ts";

/** A runtime that the bench can measure, before it is loaded. */
interface PeerEntry {
  /** For the table and `--help`. */
  readonly description: string;
  /** The package that it comes in; ours is none. */
  readonly package?: string;
  /** Whether it runs in a page, too. */
  readonly inPages: boolean;
  /** Imported only in the process that runs it. */
  readonly import: () => Promise<Peer>;
}

/** Every peer by its name on the command line. */
export const peers = {
  depthwise: {
    description: "this project: relaxed SIMD where the engine has it",
    inPages: true,
    import: async () => (await import("./depthwise.ts")).depthwise("relaxed"),
  },
  "depthwise-plain": {
    description: "this project without relaxed SIMD",
    inPages: true,
    import: async () => (await import("./depthwise.ts")).depthwise("plain"),
  },
  "onnxruntime-web": {
    description: "ONNX Runtime, WebAssembly build",
    package: "onnxruntime-web",
    inPages: true,
    import: async () => (await import("./onnxruntime_web.ts")).onnxruntimeWeb,
  },
  "onnxruntime-node": {
    description: "ONNX Runtime, native build",
    package: "onnxruntime-node",
    inPages: false,
    import: async () => (await import("./onnxruntime_node.ts")).onnxruntimeNode,
  },
  litert: {
    description: "LiteRT.js: TensorFlow Lite and XNNPACK, WebAssembly build",
    package: "@litertjs/core",
    inPages: true,
    import: async () => (await import("./litert.ts")).litert,
  },
  tfjs: {
    description: "TensorFlow.js, WebAssembly backend, operation by operation",
    package: "@tensorflow/tfjs-core",
    inPages: true,
    import: async () => (await import("./tfjs_wasm.ts")).tfjsWasm,
  },
} satisfies Readonly<Record<string, PeerEntry>>;

/** A peer as asked for: `litert`, `litert-wide`, `depthwise:2` on two threads, `depthwise-twice`. */
export interface PeerChoice {
  /** As asked for. */
  readonly name: string;
  readonly entry: PeerEntry;
  /** Whether V8 merges 128-bit operations into 256-bit ones. */
  readonly wide: boolean;
  /** Threads, where it has a number of its own. */
  readonly threads: number | undefined;
  /** Whether two copies run at once, each in a process of its own. */
  readonly twice: boolean;
}

/** Version of a peer for people. */
export function peerVersion({ entry }: PeerChoice): string {
  return entry.package === undefined ? "this checkout" : versionOf(entry.package);
}

/** Names of all peers; each may be followed by `-wide`, and by `:T` or `-twice`. */
export const peerNames: readonly string[] = Object.keys(peers);

/** A peer's name, and what may follow it. */
const PEER_NAME = /^(?<base>.*?)(?<wide>-wide)?(?:(?<twice>-twice)|:(?<threads>[1-9]\d?))?$/;

/** The peer of a name, or undefined if there is none. */
export function findPeer(name: string): PeerChoice | undefined {
  const { base = "", wide, twice, threads } = PEER_NAME.exec(name)?.groups ?? {};
  const entry: PeerEntry | undefined = Object.hasOwn(peers, base) ? peers[base as keyof typeof peers] : undefined;
  if (entry === undefined) return undefined;
  const ownThreads = threads === undefined ? undefined : Number(threads);
  return { name, entry, wide: wide !== undefined, threads: ownThreads, twice: twice !== undefined };
}
