#!/usr/bin/env node
import { CommanderError } from "commander";
import { failureOf, failureText } from "./command_line/failure.ts";
import { handleSignals } from "./command_line/interruption.ts";
import { createProgram, type Outcome } from "./command_line/program.ts";
import { note, print } from "./command_line/terminal.ts";

/** Runs a command line: everything after `depthwise`. Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const [words, literal] = [args.slice(0, end), args.slice(end + 1)];
  const outcome: Outcome = { exitCode: 0 };
  try {
    const program = createProgram(literal, await helpOfNetwork(words), outcome);
    await program.parseAsync([...words], { from: "user" });
    return outcome.exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0; // --help, --version
    if (thrown instanceof CommanderError && thrown.code === "commander.help") return 2; // no verb: the help is on stderr
    return reportFailure(thrown, words);
  }
}

/** With `--help` and a network's name: the options it takes. Otherwise nothing is loaded, for help has to be quick. */
async function helpOfNetwork(words: readonly string[]): Promise<string> {
  const [, ...rest] = words;
  const name = rest.find((word) => !word.startsWith("-"));
  if (name === undefined || !(rest.includes("--help") || rest.includes("-h"))) return "";
  return (await import("./command_line/network_help.ts")).networkHelp(name);
}

async function reportFailure(thrown: unknown, words: readonly string[]): Promise<number> {
  const failure = await failureOf(thrown);
  // In one line: where results come line by line, so does what went wrong.
  if (words.includes("--json")) print(JSON.stringify({ error: failure.error }));
  const verb = words.find((word) => !word.startsWith("-"));
  note(failureText(failure, failure.error.message.startsWith("Unknown command") ? undefined : verb));
  if (process.env.DEBUG === "depthwise") note(thrown instanceof Error ? String(thrown.stack) : String(thrown));
  return failure.exitCode;
}

handleSignals();
// `depthwise list | head` closes the pipe: nobody wants the rest.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
process.exitCode = await main(process.argv.slice(2));
