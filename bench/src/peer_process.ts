/** A measuring process: one peer, one network at a time. Answers the questions of the bench over the process channel. */
import { answerer } from "./answer.ts";
import type { Question } from "./messages.ts";
import { findPeer } from "./peers/peers.ts";

const choice = findPeer(process.argv[2] ?? "");
if (choice === undefined) throw new Error(`No peer is named "${process.argv[2]}".`);
const answer = answerer(choice.entry.import, choice.wide);

process.on("message", async (question: Question) => {
  try {
    process.send?.({ ok: true, answer: await answer(question) });
  } catch (error) {
    process.send?.({ ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
process.on("disconnect", () => process.exit());
