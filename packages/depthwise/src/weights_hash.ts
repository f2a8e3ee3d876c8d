import { createHash } from "node:crypto";
import type { Weights } from "@depthwise/core";

/** Sixteen hexadecimal digits that tell weights from others: of their names, shapes and numbers. */
export function weightsHash(weights: Weights): string {
  const hash = createHash("sha256");
  for (const [name, { shape, data }] of weights) {
    hash.update(JSON.stringify([name, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex").slice(0, 16);
}
