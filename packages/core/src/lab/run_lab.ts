import { type GuidelinesResult, guidelinesReport, runGuidelines } from "./guidelines.ts";
import type { LabName, LabOptions, LabReport, LabResult } from "./lab.ts";
import { type ManifoldResult, manifoldReport, runManifold } from "./manifold_lab.ts";

/** A lab as the booklet knows it: how it runs, how it is told, and its usual part of the time. */
interface Lab {
  run(options: LabOptions): Promise<LabResult>;
  report(result: LabResult): LabReport;
  /** Seconds on a server core, for the progress of the whole. */
  readonly seconds: number;
}

const labs: { readonly [Name in LabName]: Lab } = {
  guidelines: lab(runGuidelines, (result) => guidelinesReport(result as GuidelinesResult), 240),
  manifold: lab(runManifold, (result) => manifoldReport(result as ManifoldResult), 8),
};

function lab(run: Lab["run"], report: Lab["report"], seconds: number): Lab {
  return { run, report, seconds };
}

/** Runs one lab with its own defaults. */
export function runLab(name: LabName, options: LabOptions): Promise<LabResult> {
  return labs[name].run(options);
}

/** How a result is told: what a page is made of. */
export function reportOf(result: LabResult): LabReport {
  return labs[result.lab].report(result);
}

/** About how long a lab takes, in seconds on a server core: for shares of progress only. */
export function usualSeconds(name: LabName): number {
  return labs[name].seconds;
}
