import type { EpochRecord, Network, Teacher, Weights } from "@depthwise/core";
import type { DataSet } from "../data/data_set.ts";
import type { Judgement } from "./judge.ts";
import type { RunIdentity } from "./run_identity.ts";
import type { TrainCommandOptions } from "./train_options.ts";

/** A run as it was asked for, with everything checked. */
export interface TrainingRun {
  readonly options: TrainCommandOptions;
  /** Where the weights go. */
  readonly output: string;
  /** Where the report goes. */
  readonly report: string | undefined;
  readonly data: DataSet;
  readonly network: Network;
  readonly from: { readonly network: Network; readonly weights: Weights } | undefined;
  readonly teachers: readonly Teacher[];
  readonly identity: RunIdentity;
}

/** What a run came to. */
export interface TrainingOutcome {
  readonly records: readonly EpochRecord[];
  readonly best: EpochRecord;
  /** Of the best weights, as they are in the file. */
  readonly weights: Weights;
  /** Of the test pictures, or of those that training was watched by; undefined where there are none. */
  readonly judgement: Judgement | undefined;
  readonly judgedOn: "test" | "validation";
}
