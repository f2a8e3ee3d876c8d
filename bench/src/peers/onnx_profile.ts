import type { PeerStep } from "../peer.ts";

/** One entry of ONNX Runtime's profile; times in microseconds. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args: { readonly op_name?: string };
}

/** Of a node, what it computes; the profile has some other entries about nodes. */
const KERNEL_SUFFIX = "_kernel_time";

/** The steps of ONNX Runtime's profile of so many runs, each with its median. Of the runs, the later half is taken: the others warm up. */
export function stepsOfProfile(text: string, runs: number): readonly PeerStep[] {
  const kernels = (JSON.parse(text) as ProfileEvent[]).filter(
    ({ cat, name }) => cat === "Node" && name.endsWith(KERNEL_SUFFIX),
  );
  const byName = new Map<string, ProfileEvent[]>();
  for (const event of kernels) byName.set(event.name, [...(byName.get(event.name) ?? []), event]);
  return [...byName].map(([name, events]) => {
    // What it inserts itself has one name everywhere: several of them in one run are taken together.
    const perRun = events.length / runs;
    const times = Array.from({ length: runs }, (_, run) =>
      events.slice(run * perRun, (run + 1) * perRun).reduce((sum, { dur }) => sum + dur, 0),
    );
    return {
      name: name.slice(0, -KERNEL_SUFFIX.length),
      op: events[0]?.args.op_name ?? "",
      milliseconds: medianOfLaterHalf(times) / 1000,
    };
  });
}

/** The median of the later half: the earlier one warms up. */
export function medianOfLaterHalf(values: readonly number[]): number {
  const later = values.slice(Math.floor(values.length / 2)).sort((a, b) => a - b);
  return later[Math.floor(later.length / 2)] ?? 0;
}
