import type { Environment } from "./environment.ts";
import type { ModelResult, PeerResult } from "./measure.ts";
import type { StartResult, StartResults } from "./start/measure_starts.ts";
import type { Interval } from "./statistics.ts";

/** A page of its own with a bar for each peer and network, for people. */
export function resultsPage(
  environment: Environment,
  threads: number,
  models: readonly ModelResult[],
  starts: readonly StartResults[],
): string {
  const { cpu, node, date, command, commit } = environment;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Depthwise beside other runtimes</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h2 { margin: 2rem 0 0.5rem; font-size: 1.1rem; }
  table { width: 100%; border-collapse: collapse; }
  th { width: 14rem; text-align: left; font-weight: normal; white-space: nowrap; }
  td { padding: 0.1rem 0; white-space: nowrap; }
  .bar { display: inline-block; height: 1.1rem; margin-right: 0.5rem; vertical-align: middle; background: #8a8f98; }
  .first .bar { background: #2b7de9; }
  .number { font-variant-numeric: tabular-nums; }
</style>
<h1>Depthwise beside other runtimes</h1>
${models.length > 0 ? runsText(threads) : ""}
${models.map(section).join("\n")}
${starts.length > 0 ? startsText : ""}
${starts.map(startSection).join("\n")}
<p><small>${escapeHtml(cpu)}, Node ${escapeHtml(node)}, ${escapeHtml(date)}, commit ${escapeHtml(commit ?? "unknown")}, <code>${escapeHtml(command)}</code></small></p>
</html>
`;
}

function runsText(threads: number): string {
  return `<p>Milliseconds for one picture, float32, ${threads} thread${threads === 1 ? "" : "s"}: medians of turns; shorter is better. In brackets: times the
first one's, with the interval of 95 %; and the share of one thread's 128-bit multiply-add ceiling, measured in the same rounds.</p>`;
}

const startsText = `<p>Milliseconds from navigation to the first output, in a browser that has seen nothing: medians of turns; shorter is better.
In brackets: times the first one's, with the interval of 95 %; and the same with warm caches.</p>`;

function section({ model, engine, macs, results }: ModelResult): string {
  const details = `${(macs / 1e6).toFixed(0)} million multiply-adds, ${engine}`;
  return chart(model, details, results.map(runBar));
}

function startSection({ model, engine, starts }: StartResults): string {
  return chart(model, engine, starts.map(startBar));
}

/** A row of a chart: as long as its time. */
interface Bar {
  readonly peer: string;
  readonly medianMs: number;
  readonly numbers: string;
}

function runBar({ peer, medianMs, ratio, shareOfCeiling }: PeerResult): Bar {
  return {
    peer,
    medianMs,
    numbers: `${medianMs.toFixed(2)} ms (${timesText(ratio)}; ${(100 * shareOfCeiling).toFixed(0)} %)`,
  };
}

function startBar({ peer, cold, warm }: StartResult): Bar {
  const { medianMs, ratio } = cold;
  return {
    peer,
    medianMs,
    numbers: `${medianMs.toFixed(0)} ms (${timesText(ratio)}; warm ${warm.medianMs.toFixed(0)} ms)`,
  };
}

function timesText({ value, low, high }: Interval): string {
  return `${value.toFixed(2)}x, ${low.toFixed(2)} to ${high.toFixed(2)}`;
}

function chart(title: string, details: string, bars: readonly Bar[]): string {
  const longest = Math.max(...bars.map(({ medianMs }) => medianMs));
  return `<h2>${escapeHtml(title)} <small>${escapeHtml(details)}</small></h2>
<table>
${bars.map((bar, i) => row(bar, longest, i === 0)).join("\n")}
</table>`;
}

/** Share of the column that the longest bar takes; the numbers need the rest. */
const LONGEST_PERCENT = 45;

function row({ peer, medianMs, numbers }: Bar, longest: number, isFirst: boolean): string {
  const width = ((LONGEST_PERCENT * medianMs) / longest).toFixed(2);
  return `<tr${isFirst ? ' class="first"' : ""}><th scope="row">${escapeHtml(peer)}</th><td><span class="bar" style="width: ${width}%"></span><span class="number">${numbers}</span></td></tr>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
