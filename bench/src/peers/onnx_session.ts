import type { Graph, Weights } from "@depthwise/core";
import { writeOnnx } from "@depthwise/formats";
import type { InferenceSession, Tensor, TensorConstructor } from "onnxruntime-common";
import type { Loaded, PeerStep } from "../peer.ts";
import { inputShape, toChannelsFirst } from "./onnx_input.ts";

/** What ONNX Runtime's two packages have in common. */
interface Library {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: TensorConstructor;
}

/** Best settings for one picture at a time, as its documentation on performance gives them. */
const settings: InferenceSession.SessionOptions = {
  graphOptimizationLevel: "all",
  executionMode: "sequential",
  enableCpuMemArena: true,
  enableMemPattern: true,
};

/** Loads the graph into a session. `readProfile` ends the session's profile and gives its steps over so many runs. */
export async function loadSession(
  library: Library,
  graph: Graph,
  weights: Weights,
  options: InferenceSession.SessionOptions,
  readProfile?: (session: InferenceSession, runs: number) => Promise<readonly PeerStep[]>,
): Promise<Loaded> {
  const session = await library.InferenceSession.create(writeOnnx(graph, weights), {
    ...settings,
    ...options,
    enableProfiling: readProfile !== undefined,
  });
  let feeds: Record<string, Tensor> = {};
  let runs = 0;
  return {
    feed(input) {
      const { data, dims } = toChannelsFirst(input, inputShape(graph));
      feeds = { input: new library.Tensor("float32", data, dims) };
    },
    async run() {
      runs++;
      return (await session.run(feeds)).output?.data as Float32Array;
    },
    profile: async () => readProfile?.(session, runs),
    dispose: () => void session.release(),
  };
}
