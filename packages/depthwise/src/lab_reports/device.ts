import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import type { LabDevice } from "@depthwise/core/lab";

/** This machine, as labs name it. */
export function thisDevice(): LabDevice {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown processor",
    engine: `Node ${process.versions.node}`,
    threads: availableParallelism(),
    version,
    date: new Date().toISOString(),
  };
}
