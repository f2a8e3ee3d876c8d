import { initializeWeights } from "@depthwise/core";
import { build } from "@depthwise/core/networks";
import { seededRandom } from "../../packages/core/src/random.ts";
import type { Answers, Question } from "./messages.ts";
import type { Loaded, Peer } from "./peer.ts";
import { inputShape } from "./peers/onnx_input.ts";

/** Same numbers everywhere: of the network's weights, and of the picture. */
const SEED = 0;

/** Answers the bench's questions with one peer, one network at a time, in a process or a page. */
export function answerer(
  importPeer: () => Promise<Pick<Peer, "load">>,
  wide: boolean,
): (question: Question) => Promise<Answers[Question["ask"]]> {
  let loaded: Loaded | undefined;
  const current = (): Loaded => {
    if (loaded === undefined) throw new Error("No network is loaded.");
    return loaded;
  };
  const answers: {
    readonly [Ask in Question["ask"]]: (question: Extract<Question, { ask: Ask }>) => Promise<Answers[Ask]>;
  } = {
    async load({ model, threads, profile }) {
      const { graph } = build(model);
      const weights = initializeWeights(graph, SEED);
      const input = seededInput(inputShape(graph).reduce((a, b) => a * b));
      const start = performance.now();
      const peer = await importPeer();
      loaded = await peer.load(graph, weights, { threads, wide, profile });
      loaded.feed(input);
      const ready = performance.now();
      await loaded.run();
      return { loadMs: ready - start, firstRunMs: performance.now() - ready };
    },
    output: async () => ({ output: Float32Array.from(await current().run()) }),
    async turn({ runs }) {
      const network = current();
      const milliseconds: number[] = [];
      for (let i = 0; i < runs; i++) {
        const start = performance.now();
        await network.run();
        milliseconds.push(performance.now() - start);
      }
      return { milliseconds };
    },
    profile: async () => ({ steps: await current().profile?.() }),
    async unload() {
      loaded?.dispose();
      loaded = undefined;
      return {};
    },
  };
  return (question) => (answers[question.ask] as (question: Question) => Promise<Answers[Question["ask"]]>)(question);
}

function seededInput(length: number): Float32Array {
  const random = seededRandom(SEED, "input");
  return Float32Array.from({ length }, () => 2 * random.uniform() - 1);
}
