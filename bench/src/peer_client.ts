import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answer, Answers, Question } from "./messages.ts";
import type { PeerChoice } from "./peers/peers.ts";

/** A peer that the bench asks questions. */
export interface PeerClient extends Disposable {
  readonly name: string;
  /** @throws what the peer threw, or that its process ended */
  ask<Q extends Question>(question: Q): Promise<Answers[Q["ask"]]>;
}

/** Merges pairs of 128-bit operations into 256-bit ones; off by default, and for the whole process. */
const WIDE_FLAG = "--experimental-wasm-revectorize";

/** Starts a peer in a process of its own: neither its garbage, its globals nor V8's flags reach the others. Disposal ends it. */
export function startPeer(choice: PeerChoice): PeerClient {
  return choice.twice ? together(startProcess(choice), startProcess(choice)) : startProcess(choice);
}

/** Two copies of a peer that are asked the same at the same time; the slower one's times count. */
function together(first: PeerClient, second: PeerClient): PeerClient {
  return {
    name: first.name,
    async ask(question) {
      const [answer, other] = await Promise.all([first.ask(question), second.ask(question)]);
      if (!("milliseconds" in answer && "milliseconds" in other)) return answer;
      const milliseconds = answer.milliseconds.map((own, i) => Math.max(own, other.milliseconds[i] ?? 0));
      return { ...answer, milliseconds };
    },
    [Symbol.dispose]() {
      first[Symbol.dispose]();
      second[Symbol.dispose]();
    },
  };
}

function startProcess({ name, wide }: PeerChoice): PeerClient {
  const child = fork(fileURLToPath(new URL("./peer_process.ts", import.meta.url)), [name], {
    execArgv: ["--conditions=@depthwise/source", "--no-warnings", ...(wide ? [WIDE_FLAG] : [])],
    serialization: "advanced",
    // Peers print hints and warnings on stdout, which is for our table.
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let errors = "";
  child.stderr?.on("data", (text: Buffer) => {
    errors = (errors + text.toString()).slice(-4000);
  });
  return {
    name,
    async ask(question) {
      const reply = await answerOf(child, question, () => errors);
      if (!reply.ok) throw new Error(`${name}: ${reply.error}`);
      return reply.answer as never;
    },
    [Symbol.dispose]() {
      child.kill("SIGKILL");
    },
  };
}

function answerOf(child: ChildProcess, question: Question, errors: () => string): Promise<Answer> {
  return new Promise((resolve) => {
    const settle = (answer: Answer): void => {
      child.off("message", settle);
      child.off("exit", onExit);
      resolve(answer);
    };
    const onExit = (code: number | null, signal: string | null): void =>
      settle({ ok: false, error: `its process ended with ${code ?? signal}.\n${errors()}` });
    child.on("message", settle);
    child.on("exit", onExit);
    if (child.exitCode !== null) onExit(child.exitCode, child.signalCode);
    else child.send(question);
  });
}
