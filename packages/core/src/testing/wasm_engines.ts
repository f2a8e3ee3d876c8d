/** Two engines that run what the assembler makes: the one we are in, and wabt's interpreter, which shares no code with it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** The results of a function without parameters, integers as unsigned. */
export type Outcome = readonly bigint[] | "trap";

/** By the name of the export. */
export type Outcomes = ReadonlyMap<string, Outcome>;

/** Each calls all exported functions in order, once; they take nothing and return i64 values, two or more. */
export const engines: Readonly<Record<"V8" | "wabt", (module: Uint8Array<ArrayBuffer>) => Outcomes>> = {
  V8: runInV8,
  wabt: runInWabt,
};

function runInV8(module: Uint8Array<ArrayBuffer>): Outcomes {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module));
  const outcomes = new Map<string, Outcome>();
  for (const [name, run] of Object.entries(exports)) {
    if (typeof run !== "function") continue;
    try {
      const values = run() as readonly bigint[];
      outcomes.set(
        name,
        values.map((value) => BigInt.asUintN(64, value)),
      );
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      outcomes.set(name, "trap");
    }
  }
  return outcomes;
}

/** The interpreter prints `name() => i64:1, i64:2`, or `name() => error: …`. */
function runInWabt(module: Uint8Array): Outcomes {
  const folder = mkdtempSync(join(tmpdir(), "depthwise-wasm-"));
  try {
    const file = join(folder, "cases.wasm");
    writeFileSync(file, module);
    const interpreter = join(dirname(createRequire(import.meta.url).resolve("wabt")), "bin/wasm-interp");
    const args = [interpreter, file, "--enable-all", "--run-all-exports"];
    const printed = execFileSync(process.execPath, args, { encoding: "utf8", maxBuffer: 2 ** 28, timeout: 60_000 });
    const outcomes = new Map<string, Outcome>();
    for (const [, name = "", values = ""] of printed.matchAll(/^(\S+)\(\) => (.*)$/gm)) {
      const isError = values.startsWith("error");
      outcomes.set(
        name,
        isError ? "trap" : Array.from(values.matchAll(/i64:(\d+)/g), ([, digits = ""]) => BigInt(digits)),
      );
    }
    return outcomes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
