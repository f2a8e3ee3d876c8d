import { brotliCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Site } from "./site.ts";
import { transferredBytes } from "./transferred_bytes.ts";

const script = Buffer.from("run();".repeat(100));
const weights = Buffer.from(Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)).buffer);

function site(isCodeApart: boolean): Site {
  return {
    version: "1",
    files: new Map([
      ["/page.js", script],
      ["/weights.bin", weights],
      ["/never", Buffer.alloc(1000)],
    ]),
    weightFiles: new Set(["/weights.bin"]),
    isCodeApart,
  };
}

describe("transferredBytes", () => {
  it("adds up what was asked for, with and without weights", async () => {
    const bytes = await transferredBytes(site(true), ["/page.js", "/weights.bin"]);
    expect(bytes.raw).toBe(600 + 256);
    expect(bytes.withoutWeights?.raw).toBe(600);
    expect(bytes.withoutWeights?.brotli).toBe(brotliCompressSync(script).length);
    expect(bytes.brotli).toBeGreaterThan(bytes.withoutWeights?.brotli ?? Number.POSITIVE_INFINITY);
  });

  it("says nothing of a rest where one file holds all", async () => {
    expect((await transferredBytes(site(false), ["/weights.bin"])).withoutWeights).toBeUndefined();
  });
});
