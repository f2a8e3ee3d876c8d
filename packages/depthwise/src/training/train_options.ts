import type { AugmentationPreset, OptimizerName, ScheduleName } from "@depthwise/core";
import type { CommonOptions } from "../command_line/invocation.ts";

/** Options of `depthwise train`. */
export interface TrainCommandOptions extends CommonOptions {
  readonly model?: string;
  readonly output?: string;
  readonly epochs?: number;
  readonly batch?: number;
  readonly microBatch?: number;
  readonly seed?: number;
  readonly threads?: number;
  readonly wide?: boolean;
  readonly resume?: boolean;
  readonly from?: string;
  readonly freeze?: boolean;
  readonly bodyRate?: number;
  readonly rate?: number;
  readonly decay?: number;
  readonly optimizer?: OptimizerName;
  readonly warmUp?: number;
  readonly schedule?: ScheduleName;
  readonly averageDecay?: number;
  readonly labelSmoothing?: number;
  readonly teacher?: readonly string[];
  readonly teacherShare?: number;
  readonly clip?: number;
  readonly patience?: number;
  readonly augment?: AugmentationPreset;
  readonly cutout?: number;
  readonly mixup?: number;
  readonly cutmix?: number;
  readonly balance?: boolean;
  readonly skipEasy?: number;
  readonly validationShare?: number;
  /** A file, or false: none. Default: beside the weights. */
  readonly report?: string | false;
}
