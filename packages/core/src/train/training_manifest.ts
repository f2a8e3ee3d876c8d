import type { groupSettings, OptimizerName } from "./kernels/optimizer.ts";

/** Floats in each micro-batch's memory. */
export interface SlotPort {
  readonly name: string;
  /** From the slot's start, in bytes. */
  readonly offset: number;
  readonly elements: number;
}

/** Where a parameter's floats stand in each of the arrays. */
export interface ParameterPlace {
  readonly name: string;
  readonly offset: number;
  readonly count: number;
}

/** What a host must know of a compiled training step. Plain JSON; addresses in bytes, other counts in floats. */
export interface TrainingManifest {
  readonly name: string;
  readonly simd: "relaxed" | "plain";
  readonly wide: boolean;
  readonly threads: number;
  readonly optimizer: OptimizerName;
  /** Pictures of a micro-batch, and micro-batches of a step at most. */
  readonly batch: number;
  readonly slots: number;
  readonly pages: number;
  readonly slotsOffset: number;
  readonly slotBytes: number;
  readonly inputs: readonly SlotPort[];
  readonly loss: SlotPort;
  readonly logits: SlotPort;
  readonly settings: Readonly<
    Record<"slots" | "packOnly" | "clip" | "averageShare" | "momentum" | "norm" | "scale", number>
  >;
  readonly groups: readonly { readonly name: string; readonly settings: number }[];
  readonly groupSettings: typeof groupSettings;
  readonly arrays: Readonly<
    Record<"parameters" | "average" | "first" | "second" | "gradient" | "statistics" | "statisticsAverage", number>
  >;
  readonly floats: number;
  readonly statisticsFloats: number;
  /** Trained parameters, and those that are frozen, which stand behind them. */
  readonly parameters: readonly ParameterPlace[];
  /** Running means and variances. */
  readonly running: readonly ParameterPlace[];
  /** Bytes of activations and their gradients, for each thread. */
  readonly arenaBytes: number;
  /** Multiply-accumulates of one picture, forward and backward. */
  readonly macs: number;
}

/** A training step as one WebAssembly module. */
export interface CompiledTraining {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly manifest: TrainingManifest;
}
