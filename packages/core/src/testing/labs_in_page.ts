import { runFlops } from "../lab/flops.ts";
import { runGuidelines } from "../lab/guidelines.ts";
import { runIdeas } from "../lab/ideas.ts";
import type { LabDevice, LabResult } from "../lab/lab.ts";
import { labPage } from "../lab/lab_page.ts";
import { runManifold } from "../lab/manifold_lab.ts";
import { runTable8 } from "../lab/table8.ts";

/** A lab's result and page, as far as a test looks at them. */
export interface LabInPage {
  readonly lab: string;
  readonly figures: LabResult["figures"];
  readonly page: string;
}

/** Every lab with tiny settings, in a page. */
export async function runLabsInPage(device: LabDevice): Promise<readonly LabInPage[]> {
  const quick = { device, sessions: 1, rounds: 2, warmUp: 0 };
  const results: readonly LabResult[] = [
    await runGuidelines({ ...quick, size: { resolution: 6, repeats: 1 }, multiples: [1] }),
    await runTable8({ ...quick, levels: ["40"] }),
    await runManifold({ device, seeds: 3, dimensions: [2, 15] }),
    await runIdeas({ ...quick, only: ["interleaving"] }),
    await runFlops({ ...quick, variants: ["mobilenet_v2_0.35_96", "igcv1_l24m2_cifar"] }),
  ];
  return results.map((result) => ({ lab: result.lab, figures: result.figures, page: labPage(result) }));
}
