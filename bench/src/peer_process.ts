/** A measuring process: one peer, one network at a time. Answers the questions of the bench over the process channel. */
import { initializeWeights } from "@depthwise/core";
import { build } from "@depthwise/core/networks";
import { seededRandom } from "../../packages/core/src/random.ts";
import type { Answers, Question } from "./messages.ts";
import type { Loaded } from "./peer.ts";
import { inputShape } from "./peers/onnx_input.ts";
import { findPeer } from "./peers/peers.ts";

const choice = findPeer(process.argv[2] ?? "");
if (choice === undefined) throw new Error(`No peer is named "${process.argv[2]}".`);
const { entry, wide } = choice;
let loaded: Loaded | undefined;

/** Same numbers in every process: of the network's weights, and of the picture. */
const SEED = 0;

function current(): Loaded {
  if (loaded === undefined) throw new Error("No network is loaded.");
  return loaded;
}

const answers: {
  readonly [Ask in Question["ask"]]: (question: Extract<Question, { ask: Ask }>) => Promise<Answers[Ask]>;
} = {
  async load({ model, threads, profile }) {
    const { graph } = build(model);
    const weights = initializeWeights(graph, SEED);
    const random = seededRandom(SEED, "input");
    const input = Float32Array.from(
      { length: inputShape(graph).reduce((a, b) => a * b) },
      () => 2 * random.uniform() - 1,
    );
    const start = performance.now();
    const peer = await entry.import();
    loaded = await peer.load(graph, weights, { threads, wide, profile });
    loaded.feed(input);
    const ready = performance.now();
    await loaded.run();
    return { version: peer.version, loadMs: ready - start, firstRunMs: performance.now() - ready };
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

process.on("message", async (question: Question) => {
  try {
    const answer = answers[question.ask] as (question: Question) => Promise<Answers[Question["ask"]]>;
    process.send?.({ ok: true, answer: await answer(question) });
  } catch (error) {
    process.send?.({ ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
process.on("disconnect", () => process.exit());
