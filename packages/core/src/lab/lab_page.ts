import { writePage } from "../plot/page.ts";
import { median } from "../statistics.ts";
import type { LabDevice, LabResult } from "./lab.ts";
import { reportOf } from "./run_lab.ts";
import { number, ratio } from "./words.ts";

/** One lab's result as a self-contained HTML page. */
export function labPage(result: LabResult): string {
  const { title, lead, sections } = reportOf(result);
  return writePage({ title, lead, facts: factsOf(result), sections });
}

/** What a lab's chapters begin with in the booklet. */
const chapter: { readonly [Name in LabResult["lab"]]: string } = {
  guidelines: "",
  table8: "Table 8",
  manifold: "Manifold",
  ideas: "Ideas",
  flops: "Latency",
};

/** Several results as one page: a chapter each, what was found first. */
export function bookletPage(results: readonly LabResult[]): string {
  const [first] = results;
  const minutes = results.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
  const reports = results.map((result) => ({ result, report: reportOf(result) }));
  return writePage({
    title: "The direct metric: this device's booklet",
    lead: "What ShuffleNet V2, MobileNet V2 and the other papers say about speed and information, measured and computed on one device.",
    facts: first === undefined ? [] : [...deviceFacts(first.device), ["took", `${number(minutes)} minutes`]],
    sections: [
      {
        heading: "What was found",
        parts: reports.flatMap(({ result, report }) => [
          { kind: "text" as const, text: `${report.title}:` },
          { kind: "findings" as const, findings: result.findings },
        ]),
      },
      ...reports.flatMap(({ result, report }) =>
        report.sections.map(({ heading, parts }, index) => ({
          heading: chapter[result.lab] === "" ? heading : `${chapter[result.lab]}: ${lowerFirst(heading)}`,
          parts: [
            ...(index === 0 ? [{ kind: "text" as const, text: report.lead }] : []),
            // They stand at the beginning of the booklet.
            ...parts.filter(({ kind }) => kind !== "findings"),
          ],
        })),
      ),
    ],
  });
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function factsOf({ device, seconds, settings, samples }: LabResult): readonly (readonly [string, string])[] {
  const counts = (["sessions", "rounds", "seed"] as const).flatMap((name): (readonly [string, string])[] => {
    const value = settings[name];
    return value === undefined ? [] : [[name, String(value)]];
  });
  return [...deviceFacts(device), ...counts, ["took", `${number(seconds)} s`], ...disturbanceFact(samples)];
}

/** How busy the machine was: what a median turn took over the fastest one. 1 where nothing disturbed. */
function disturbanceFact(samples: LabResult["samples"]): readonly (readonly [string, string])[] {
  const ratios = samples.flatMap(({ milliseconds }) => {
    const all = milliseconds.flat();
    return all.length < 2 ? [] : [median(all) / Math.min(...all)];
  });
  return ratios.length === 0 ? [] : [["a median turn took", `${ratio(median(ratios))} times the fastest`]];
}

function deviceFacts({ processor, engine, threads, version, date }: LabDevice): readonly (readonly [string, string])[] {
  return [
    ["processor", processor],
    ["threads", String(threads)],
    ["engine", engine],
    ["Depthwise", version],
    ["date", date.slice(0, 16).replace("T", " ")],
  ];
}
