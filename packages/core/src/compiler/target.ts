import type { Tuning } from "./tuning.ts";

/** What a module is compiled for. */
export interface Target {
  /** Fused multiply-add where the engine has it (`relaxed`), or separate multiplication and addition. */
  readonly simd: "relaxed" | "plain";
  /** Shaped for engines that merge pairs of 128-bit operations into 256-bit ones. */
  readonly wide: boolean;
  /** Most threads that may run the module together; above 1 its memory is shared. */
  readonly threads: number;
  /** Time stamps between the steps. */
  readonly profile: boolean;
  /** What was measured on the machine that it is compiled for. */
  readonly tuning?: Tuning | undefined;
}
