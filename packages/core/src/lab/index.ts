export { type Advice, type AdviceOptions, advise, type MeasuredGain } from "./advise.ts";
export {
  diffLabs,
  diffPage,
  diffSummary,
  diffTable,
  type FigureDifference,
  type LabDiff,
  parseLabResult,
} from "./diff.ts";
export { type FlopsOptions, type FlopsResult, runFlops } from "./flops.ts";
export { type GuidelinesOptions, type GuidelinesResult, runGuidelines } from "./guidelines.ts";
export { type IdeasOptions, type IdeasResult, runIdeas } from "./ideas.ts";
export {
  type LabDevice,
  type LabFigure,
  type LabName,
  type LabOptions,
  type LabReport,
  type LabResult,
  labNames,
} from "./lab.ts";
export { bookletPage, labPage } from "./lab_page.ts";
export { type LatencyPrediction, type LatencyTable, mergeLatencyTables, predictLatency } from "./latency_model.ts";
export { type ManifoldOptions, type ManifoldResult, runManifold } from "./manifold_lab.ts";
export type { BandwidthPoint, MemoryLevel } from "./measure_bandwidth.ts";
export { measureRoofline, type RooflineOptions } from "./measure_roofline.ts";
export type { Breach, DeviceCeilings, Guideline, Roofline, RooflineNode } from "./roofline.ts";
export { reportOf, runLab, usualSeconds } from "./run_lab.ts";
export { runTable8, type Table8Options, type Table8Result } from "./table8.ts";
export type { IdeaAccuracy, IdeasTraining, TrainedTwin } from "./train_ideas.ts";
