import { type FlopsResult, flopsReport, runFlops } from "./flops.ts";
import { type GuidelinesResult, guidelinesReport, runGuidelines } from "./guidelines.ts";
import { type IdeasResult, ideasReport, runIdeas } from "./ideas.ts";
import type { LabName, LabOptions, LabReport, LabResult } from "./lab.ts";
import { type ManifoldResult, manifoldReport, runManifold } from "./manifold_lab.ts";
import { runTable8, type Table8Result, table8Report } from "./table8.ts";

/** A lab as the booklet knows it. */
interface Lab {
  run(options: LabOptions): Promise<LabResult>;
  report(result: LabResult): LabReport;
  /** What it takes on two cores of a server, in seconds: its part of the progress of the whole. */
  readonly seconds: number;
}

const labs: { readonly [Name in LabName]: Lab } = {
  guidelines: { run: runGuidelines, report: (result) => guidelinesReport(result as GuidelinesResult), seconds: 240 },
  table8: { run: runTable8, report: (result) => table8Report(result as Table8Result), seconds: 120 },
  manifold: { run: runManifold, report: (result) => manifoldReport(result as ManifoldResult), seconds: 8 },
  ideas: { run: runIdeas, report: (result) => ideasReport(result as IdeasResult), seconds: 100 },
  flops: { run: runFlops, report: (result) => flopsReport(result as FlopsResult), seconds: 200 },
};

/** Runs one lab. */
export function runLab(name: LabName, options: LabOptions): Promise<LabResult> {
  return labs[name].run(options);
}

/** How a result is told: what a page is made of. */
export function reportOf(result: LabResult): LabReport {
  return labs[result.lab].report(result);
}

/** What a lab usually takes, in seconds: for its part of the progress of all. */
export function usualSeconds(name: LabName): number {
  return labs[name].seconds;
}
