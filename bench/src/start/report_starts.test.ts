import { expect, it } from "vitest";
import { reportStarts } from "./report_starts.ts";

it("prints starts with their ratios, and who failed", () => {
  const times = (medianMs: number, value: number) => ({
    samples: [medianMs],
    medianMs,
    readyMs: medianMs - 10,
    ratio: { value, low: value, high: value },
    requests: ["/"],
  });
  const text = reportStarts({
    model: "small",
    engine: "Chromium 1",
    starts: [
      {
        peer: "ours",
        version: "1.0",
        difference: 0,
        cold: times(200, 1),
        warm: times(150, 1),
        bytes: { raw: 2e6, brotli: 1e6, withoutWeights: { raw: 50_000, brotli: 12_300 } },
      },
      {
        peer: "floor",
        version: undefined,
        difference: undefined,
        cold: times(100, 0.5),
        warm: times(90, 0.6),
        bytes: { raw: 2e6, brotli: 1e6, withoutWeights: undefined },
      },
    ],
    failures: [{ peer: "theirs", error: "its page did not start" }],
  });
  const lines = text.split("\n").map((line) => line.trim().split(/ {2,}/).join("|"));
  expect(lines).toEqual([
    "small in Chromium 1: from navigation to the first output",
    "peer|version|cold ms|ratio|95 % interval|ready at|warm ms|ratio|MB|brotli|without weights kB|brotli|difference",
    "ours|1.0|200|1.00x|1.00-1.00|190|150|1.00x|2.00|1.00|50.0|12.3|0.0e+0",
    "floor|100|0.50x|0.50-0.50|90|90|0.60x|2.00|1.00|-|-|-",
    "theirs was not measured: its page did not start",
  ]);
});
