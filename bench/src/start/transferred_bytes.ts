import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import type { Site } from "./site.ts";

/** Bytes of a page's start. */
export interface Transferred {
  readonly raw: number;
  readonly brotli: number;
  /** The same without the files that hold the weights; undefined where those hold code too. */
  readonly withoutWeights: { readonly raw: number; readonly brotli: number } | undefined;
}

const compress = promisify(brotliCompress);

/** Floats are noise to a compressor: at the highest quality they become a hundredth smaller, in a hundred times the time. */
const WEIGHTS_QUALITY = 5;

/** What files that were asked for weigh, as they are and compressed as a server would send them. */
export async function transferredBytes(site: Site, requests: readonly string[]): Promise<Transferred> {
  const sizes = await Promise.all(
    requests.map(async (path) => {
      const bytes = site.files.get(path) as Uint8Array;
      const holdsWeights = site.weightFiles.has(path);
      const quality = holdsWeights ? WEIGHTS_QUALITY : constants.BROTLI_MAX_QUALITY;
      const params = { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
      return { holdsWeights, raw: bytes.length, brotli: (await compress(bytes, { params })).length };
    }),
  );
  const others = sizes.filter(({ holdsWeights }) => !holdsWeights);
  return {
    ...sumOf(sizes),
    withoutWeights: site.isCodeApart ? sumOf(others) : undefined,
  };
}

function sumOf(sizes: readonly { readonly raw: number; readonly brotli: number }[]): { raw: number; brotli: number } {
  const total = { raw: 0, brotli: 0 };
  for (const { raw, brotli } of sizes) {
    total.raw += raw;
    total.brotli += brotli;
  }
  return total;
}
