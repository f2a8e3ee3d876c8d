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

/** Ends a peer's name where it runs with V8's merging of 128-bit operations into 256-bit ones. */
const WIDE_SUFFIX = "-wide";

/** A peer as asked for: `litert`, or `litert-wide`. */
export interface PeerChoice {
  /** As asked for. */
  readonly name: string;
  readonly entry: PeerEntry;
  readonly wide: boolean;
}

/** Version of a peer for people. */
export function peerVersion({ entry }: PeerChoice): string {
  return entry.package === undefined ? "this checkout" : versionOf(entry.package);
}

/** Names of all peers; each may be followed by `-wide`. */
export const peerNames: readonly string[] = Object.keys(peers);

/** The peer of a name, or undefined if there is none. */
export function findPeer(name: string): PeerChoice | undefined {
  const wide = name.endsWith(WIDE_SUFFIX);
  const base = wide ? name.slice(0, -WIDE_SUFFIX.length) : name;
  const entry: PeerEntry | undefined = Object.hasOwn(peers, base) ? peers[base as keyof typeof peers] : undefined;
  return entry === undefined ? undefined : { name, entry, wide };
}
