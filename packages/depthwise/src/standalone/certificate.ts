import { createHash } from "node:crypto";
import {
  type Compiled,
  elementCount,
  interpret,
  load,
  type Manifest,
  type Network,
  normalize,
  OptionError,
  type Preprocessing,
  type Weights,
} from "@depthwise/core";
import { codeOf } from "./module_sections.ts";
import type { Build, Setup } from "./runtime/setup.ts";

/** Custom section of a module that holds its certificate as JSON. */
export const certificateSection = "depthwise.certificate";

/** The file beside a module with the same, and the hashes of the other files. */
export const certificateFile = "model.certificate.json";

/** A build of the code, and what proves it. */
export interface CertifiedBuild extends Build {
  readonly simd: "relaxed" | "plain";
  /** SHA-256 of its sections other than data and custom ones: what computes. */
  readonly codeSha256: string;
  /** SHA-256 of its weights as they are stored. */
  readonly weightsSha256: string;
}

/** What travels with a compiled model, so that any machine can prove it again. */
export interface Certificate {
  readonly certificate: 1;
  /** `depthwise 0.1.0`. */
  readonly compiler: string;
  readonly model: string;
  readonly parameters: number;
  readonly macs: number;
  /** In bytes. `total` is the module's memory, which holds all of the rest and never grows. */
  readonly memory: { readonly total: number; readonly weights: number; readonly activations: number };
  readonly weights: { readonly type: Manifest["stored"]["type"]; readonly bytes: number };
  readonly threads: number;
  readonly builds: readonly CertifiedBuild[];
  /** A picture of seeded bytes, normalised; and what the plain interpreter makes of it with float32 weights. */
  readonly reference: {
    readonly seed: number;
    readonly input: readonly number[];
    readonly preprocessing: Preprocessing;
    readonly output: readonly number[];
  };
  /** Between the module's output and the reference, when it was compiled. */
  readonly largestDifference: number;
  /** What a machine that rounds otherwise may differ at most. */
  readonly tolerance: number;
  /** SHA-256 of the other files by name; beside the module only. */
  readonly files?: Readonly<Record<string, string>>;
}

/** SHA-256 in hexadecimal digits. */
export function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/**
 * The input that a certificate's seed stands for: bytes of a linear congruential generator (Numerical Recipes' constants, the upper
 * eight bits), as a picture that is already of the network's size.
 */
export function referenceInput({ seed, input, preprocessing }: Certificate["reference"]): Float32Array<ArrayBuffer> {
  const [, height = 0, width = 0] = input;
  let state = seed;
  const data = Uint8Array.from({ length: height * width * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  return Float32Array.from(normalize({ width, height, data }, preprocessing));
}

/** Runs a build by the library's own runtime. */
export async function outputOf(compiled: Compiled, input: Float32Array): Promise<Float32Array<ArrayBuffer>> {
  const model = await load(compiled, { threads: 1 });
  try {
    return model.run({ input }).output as Float32Array<ArrayBuffer>;
  } finally {
    model.dispose();
  }
}

/** The largest difference of two outputs; infinite if either has something that is no number. */
export function largestDifference(actual: Float32Array, expected: readonly number[]): number {
  let largest = actual.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    largest = difference <= largest ? largest : Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return largest;
}

/** What a certificate is made from. */
export interface CertifiedModel {
  readonly network: Network;
  readonly weights: Weights;
  readonly setup: Setup;
  /** The builds, weights apart. */
  readonly compiled: readonly Compiled[];
  /** The modules as they are shipped, in the same order. */
  readonly modules: readonly Uint8Array[];
  readonly compiler: string;
  /** Hears how far the interpreter is. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Runs the plain interpreter and the compiled module on the same input, and writes down both.
 *
 * @throws {OptionError} if the network's output is not finite, which nothing could be compared with
 */
export async function certify(model: CertifiedModel): Promise<Certificate> {
  const { network, weights, setup, compiled, modules, compiler, onProgress } = model;
  const first = compiled.find(({ bytes }) => WebAssembly.validate(bytes)) ?? (compiled[0] as Compiled);
  const { manifest } = first;
  const input = { seed: 0, input: setup.input, preprocessing: setup.preprocessing };
  const picture = referenceInput({ ...input, output: [] });
  const { outputs } = interpret(
    network.graph,
    weights,
    { input: picture },
    { onNode: (_, index, nodes) => onProgress?.(index, nodes) },
  );
  const output = Array.from((outputs.output as { data: ArrayLike<number> }).data, nineDigits);
  if (!output.every(Number.isFinite)) throw new OptionError(`${network.name}: its output is not finite.`);
  const seen = largestDifference(await outputOf(first, picture), output);
  const largest = output.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return {
    certificate: 1,
    compiler,
    model: network.name,
    parameters: [...weights.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0),
    macs: manifest.macs,
    memory: { total: manifest.pages * 65_536, weights: manifest.weightBytes, activations: manifest.arenaBytes },
    weights: { type: manifest.stored.type, bytes: manifest.stored.bytes },
    threads: manifest.threads,
    builds: certifiedBuilds(setup, compiled, modules),
    reference: { ...input, output },
    largestDifference: seen,
    // Multiply-adds are rounded once or twice, as the machine has it; storage in fewer bits is part of what was seen.
    tolerance: 1.25 * seen + 1e-5 * largest,
  };
}

/** The builds as they are shipped. */
export function certifiedBuilds(
  setup: Setup,
  compiled: readonly Compiled[],
  modules: readonly Uint8Array[],
): readonly CertifiedBuild[] {
  return compiled.map(({ weights = new Uint8Array(), manifest: { simd } }, index) => {
    const build = setup[simd] as Build;
    const codeSha256 = sha256(...codeOf(modules[index] as Uint8Array, build.file));
    return { simd, ...build, codeSha256, weightsSha256: sha256(weights) };
  });
}

/** A float32 as the shortest number that gives it back. */
function nineDigits(value: number): number {
  return Number(value.toPrecision(9));
}
