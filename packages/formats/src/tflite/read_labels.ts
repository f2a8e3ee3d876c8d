import { DepthwiseError } from "@depthwise/core";
import type { ForeignModel } from "../foreign_model.ts";
import type { MemoryBudget } from "../memory_budget.ts";
import { readZip, unpack } from "../pytorch/read_zip.ts";

/** The last record of a ZIP archive: its signature, and its least length. */
const archiveEnd = { signature: [0x50, 0x4b, 0x05, 0x06], length: 22, longestComment: 0xffff } as const;
/** More than any list of classes. */
const MOST_LABEL_BYTES = 2 ** 22;

/**
 * Names of the classes, from the archive of texts that TensorFlow's tools append to a model: the one that has a line for each class. Without
 * such, or with an archive that is broken, there are none, and the names of its files are `ignored`.
 */
export function readLabels(
  bytes: Uint8Array,
  classes: number,
  budget: MemoryBudget,
): Pick<ForeignModel, "labels" | "ignored"> {
  if (!hasArchive(bytes)) return {};
  try {
    const entries = [...readZip(bytes).values()];
    const texts = entries.filter(({ name, size }) => name.endsWith(".txt") && size <= MOST_LABEL_BYTES);
    for (const entry of texts) {
      const labels = new TextDecoder().decode(unpack(entry, budget)).trimEnd().split(/\r?\n/);
      if (labels.length === classes) return { labels };
    }
    return entries.length === 0 ? {} : { ignored: entries.map(({ name }) => name) };
  } catch (error) {
    // The model itself was read: its labels are an extra.
    if (error instanceof DepthwiseError) return { ignored: ["the archive behind the model"] };
    throw error;
  }
}

function hasArchive(bytes: Uint8Array): boolean {
  const last = bytes.length - archiveEnd.length;
  for (let at = last; at >= Math.max(0, last - archiveEnd.longestComment); at--) {
    if (archiveEnd.signature.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}
