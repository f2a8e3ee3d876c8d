import { type Network, OptionError } from "@depthwise/core";
import { type Advice, advise, measureRoofline, type Roofline } from "@depthwise/core/lab";
import { startProgress } from "../command_line/progress.ts";

/** What `bench --roofline` adds to a measurement. */
export interface UnderRoof {
  readonly roofline: Roofline;
  /** With `--advise`. */
  readonly advice?: readonly Advice[];
}

/** Options of {@link measureUnderRoof}. */
export interface UnderRoofOptions {
  readonly threads: number;
  readonly wide: boolean;
  /** Rounds of the roofline. */
  readonly runs: number;
  readonly advise: boolean;
}

/** @throws {OptionError} for options under which the ceilings would be others than those that are measured */
export function checkUnderRoof({ threads, wide }: Pick<UnderRoofOptions, "threads" | "wide">): void {
  if (threads === 1 && !wide) return;
  throw new OptionError(
    `bench: --roofline holds one thread of 128-bit vectors against its ceilings, received ${wide ? "--wide" : `--threads ${threads}`}.`,
    { hint: "Leave one of the two out." },
  );
}

/** A network node by node against the ceilings of this device, and with `advise` what could be changed. */
export async function measureUnderRoof(network: Network, options: UnderRoofOptions): Promise<UnderRoof> {
  const progress = startProgress(network.name);
  const percentDone = (share: number, what: string) => progress.update(Math.round(100 * share), 100, what);
  try {
    const roofline = await measureRoofline(network, { rounds: options.runs, onProgress: percentDone });
    if (!options.advise) return { roofline };
    return { roofline, advice: await advise(network, roofline, { onProgress: percentDone }) };
  } finally {
    progress.end();
  }
}
