import { compile } from "../compiler/compile.ts";
import { build } from "../networks/build.ts";
import { load } from "../runtime/model.ts";
import { type Shape, tensor, type Weights } from "../tensor.ts";

/** A network to compile and run somewhere else: in a page or a worker of it. Plain JSON. */
export interface RunRequest {
  /** Where the floats can be fetched: the parameters' in order, then the input's. */
  readonly address: string;
  readonly parameters: readonly (readonly [name: string, shape: Shape])[];
  readonly family: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly simd: "relaxed" | "plain";
  readonly keep: readonly string[];
}

/** What came of it: hashes, so that bits can be compared without carrying them about. */
export interface RunResult {
  /** SHA-256 of the module. */
  readonly module: string;
  /** SHA-256 of each output. */
  readonly outputs: Readonly<Record<string, string>>;
}

/** Compiles, loads and runs. The same function in Node, in pages and in workers. */
export async function runCompiled(request: RunRequest, floats: Float32Array): Promise<RunResult> {
  const { family, options, simd, keep } = request;
  const weights = new Map<string, Weights extends ReadonlyMap<string, infer T> ? T : never>();
  let at = 0;
  for (const [name, shape] of request.parameters) {
    const count = shape.reduce((product, length) => product * length, 1);
    weights.set(name, tensor(shape, floats.slice(at, at + count)));
    at += count;
  }
  const compiled = compile(build(family, options), { weights, simd, keep });
  const model = await load(compiled);
  const outputs = model.run({ input: floats.slice(at) });
  model.dispose();
  const hashes = Object.entries(outputs).map(async ([name, data]) => [name, await sha256(data)] as const);
  return { module: await sha256(compiled.bytes), outputs: Object.fromEntries(await Promise.all(hashes)) };
}

async function sha256(data: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", data);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
