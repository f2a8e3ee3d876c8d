import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build, compile } from "@depthwise/core";
import type { PeerChoice } from "./peers/peers.ts";
import { alignColumns } from "./report.ts";

/** What a page loads to run a network, weights aside. */
export interface ShippedBytes {
  readonly peer: string;
  readonly raw: number;
  readonly brotli: number;
}

/** Bytes that a page loads for one network, by peer: the runtime's files, or our module without its weights and the code that loads it. */
export async function measureSizes(model: string, peers: readonly PeerChoice[]): Promise<readonly ShippedBytes[]> {
  const sizes: ShippedBytes[] = [];
  for (const { name, entry } of peers) {
    const files: Buffer[] = (await entry.import()).shipped.map((file) => readFileSync(file));
    if (name.startsWith("depthwise")) files.push(moduleWithoutWeights(model), await runtimeBundle());
    if (files.length > 0) sizes.push({ peer: name, ...sizesOf(files) });
  }
  return sizes;
}

/** The module up to its data section, which is its last: weights and tables. */
function moduleWithoutWeights(model: string): Buffer {
  const { bytes, manifest } = compile(build(model));
  return Buffer.from(bytes.subarray(0, bytes.length - manifest.weightBytes));
}

/** The part of the library that a page needs to run a module, bundled and minified. */
async function runtimeBundle(): Promise<Buffer> {
  const { build: bundle } = await import("vite");
  const entry = fileURLToPath(new URL("../../packages/core/src/runtime/index.ts", import.meta.url));
  const result = await bundle({
    configFile: false,
    logLevel: "silent",
    build: { write: false, minify: true, lib: { entry, formats: ["es"], fileName: "runtime" } },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !("output" in output)) throw new Error("The bundler gave no output.");
  return Buffer.concat(output.output.map((chunk) => Buffer.from(chunk.type === "chunk" ? chunk.code : chunk.source)));
}

function sizesOf(files: readonly Buffer[]): Omit<ShippedBytes, "peer"> {
  const brotli = files.map((file) =>
    brotliCompressSync(file, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: file.length,
      },
    }),
  );
  const sum = (buffers: readonly Buffer[]): number => buffers.reduce((total, { length }) => total + length, 0);
  return { raw: sum(files), brotli: sum(brotli) };
}

/** A table for people. */
export function reportSizes(sizes: readonly ShippedBytes[]): string {
  const rows = sizes.map(({ peer, raw, brotli }) => [peer, "", inKilobytes(raw), inKilobytes(brotli)]);
  return alignColumns([["to ship, without weights", "", "raw kB", "brotli kB"], ...rows])
    .map((line) => `  ${line}`)
    .join("\n");
}

function inKilobytes(bytes: number): string {
  return (bytes / 1000).toFixed(1);
}
