import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Keeps what Node made of the sources, for a start takes three times as long without. */
const compileCache = join(tmpdir(), "depthwise-test-compile-cache");
const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));

/** What a process left behind. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
}

/** How the command line is started. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads on stdin. */
  readonly stdin?: Uint8Array;
  /** Options of Node. */
  readonly node?: readonly string[];
  /** Receives the process once it is started. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** Runs `depthwise ARGS...` as a process, from source. */
export function depthwise(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { DEBUG: _, ...environment } = process.env;
  const child = spawn(process.execPath, ["--conditions=@depthwise/source", ...(options.node ?? []), cli, ...args], {
    env: { NODE_COMPILE_CACHE: compileCache, ...environment, ...options.env },
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin.end(options.stdin);
  options.onStart?.(child);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const stdoutBytes = Buffer.concat(out);
      resolve({ code, signal, stdout: stdoutBytes.toString(), stderr: Buffer.concat(err).toString(), stdoutBytes });
    });
  });
}

/** The document that a verb printed with `--json`: all of stdout. */
export function json<Document>({ stdout }: Ended): Document {
  return JSON.parse(stdout) as Document;
}
