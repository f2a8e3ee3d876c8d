import { CommanderError } from "commander";

/** What a failure is to the outside: an exit code, a text for people, a document for programs. */
export interface Failure {
  /** 1: it failed; 2: wrong usage. */
  readonly exitCode: 1 | 2;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly file?: string;
    readonly hint?: string;
  };
}

/** Describes what was thrown. A wrong option, name or argument is wrong usage; everything else failed. */
export async function failureOf(thrown: unknown): Promise<Failure> {
  if (thrown instanceof CommanderError) return usageFailure(thrown);
  const { DepthwiseError } = await import("@depthwise/core");
  if (thrown instanceof DepthwiseError) {
    const { code, message, file, hint } = thrown;
    return {
      exitCode: code === "option" ? 2 : 1,
      error: { code, message, ...(file === undefined ? {} : { file }), ...(hint === undefined ? {} : { hint }) },
    };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return {
    exitCode: 1,
    error: {
      code: "internal",
      message: `${message} (this is a bug in Depthwise, please report it)`,
      hint: "DEBUG=depthwise prints where it happened.",
    },
  };
}

/** Commander's messages: `error: unknown option '--famly'`, and its suggestion in a second line. */
function usageFailure({ message }: CommanderError): Failure {
  const [first = "", second] = message.replace(/^error: /, "").split("\n");
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}${first.endsWith(".") ? "" : "."}`;
  const hint = second?.replace(/^\((.*)\)$/, "$1");
  return { exitCode: 2, error: { code: "option", message: sentence, ...(hint === undefined ? {} : { hint }) } };
}

/** The failure as people read it, on stderr. */
export function failureText({ error, exitCode }: Failure, verb: string | undefined): string {
  const lines = [`depthwise: ${withFile(error.message, error.file)}`];
  if (error.hint !== undefined) lines.push(`  ${error.hint}`);
  if (exitCode === 2) lines.push(`  See: depthwise ${verb === undefined ? "" : `${verb} `}--help`);
  return lines.join("\n");
}

function withFile(message: string, file: string | undefined): string {
  return file === undefined || message.includes(file) ? message : `${file}: ${message}`;
}
