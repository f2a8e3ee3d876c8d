import { distributeAdd } from "./distribute_add.ts";
import { dropInferenceNoops } from "./drop_inference_noops.ts";
import { foldBatchNorm } from "./fold_batch_norm.ts";
import { foldPadding } from "./fold_padding.ts";
import { fuseActivation } from "./fuse_activation.ts";
import { fuseResidual } from "./fuse_residual.ts";
import { hoistChannelwise } from "./hoist_channelwise.ts";
import type { Pass, Program } from "./program.ts";
import { removeCommonNodes } from "./remove_common_nodes.ts";

/** What makes a network ready for inference, in order. */
export const inferencePasses: readonly Pass[] = [
  dropInferenceNoops,
  removeCommonNodes,
  foldPadding,
  // Before folding: IGCV1's batch norm stands behind the permutation that follows its convolution.
  hoistChannelwise,
  foldBatchNorm,
  // After folding: an activation can be fused only once the batch norm before it is gone.
  fuseActivation,
  // Before residuals: gives each part of a concatenation its own addition to fuse.
  distributeAdd,
  fuseResidual,
];

/** The same without those that fuse one operation into another. */
export const unfusedPasses: readonly Pass[] = inferencePasses.filter(
  (pass) => pass !== fuseActivation && pass !== distributeAdd && pass !== fuseResidual,
);

/** One pass that ran, for `--explain`. */
export interface PassReport {
  readonly pass: string;
  readonly changed: boolean;
  readonly milliseconds: number;
  readonly program: Program;
}

/** Runs `passes` in order. `onPass` hears of each. */
export function runPasses(
  program: Program,
  passes: readonly Pass[] = inferencePasses,
  onPass?: (report: PassReport) => void,
): Program {
  let current = program;
  for (const pass of passes) {
    const start = performance.now();
    const next = pass.run(current);
    onPass?.({ pass: pass.name, changed: next !== current, milliseconds: performance.now() - start, program: next });
    current = next;
  }
  return current;
}
