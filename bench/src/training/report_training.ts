import { table } from "../../../packages/depthwise/src/command_line/table.ts";
import type { TrainerResult, TrainingResult } from "./measure_training.ts";

/** A network's trainers as a table. */
export function reportTraining({ label, macs, batch, threads, results }: TrainingResult): string {
  const head = `${label}: ${(macs / 1e6).toFixed(1)} M MACs, batch ${batch}, ${threads} thread${threads === 1 ? "" : "s"}`;
  const rows = table<TrainerResult>(
    [
      { title: "trainer", value: ({ trainer }) => trainer },
      { title: "version", value: ({ version }) => version },
      { title: "images/s", align: "right", value: ({ imagesPerSecond }) => imagesPerSecond.toFixed(0) },
      { title: "time", align: "right", value: ({ slower }) => `${slower.value.toFixed(2)}x` },
      { title: "95 %", value: ({ slower }) => `${slower.low.toFixed(2)} to ${slower.high.toFixed(2)}` },
      {
        title: "of the ceiling",
        align: "right",
        value: ({ shareOfCeiling }) => `${(100 * shareOfCeiling).toFixed(0)} %`,
      },
      { title: "first losses", value: ({ losses }) => losses.map((loss) => loss.toFixed(4)).join(", ") },
    ],
    results,
  );
  return `${head}\n${rows}`;
}
