import type { ModelFile } from "@depthwise/core";
import type { TrainingRecord } from "@depthwise/zoo";
import type { Cifar10 } from "../packages/depthwise/src/data/cifar10.ts";
import { judge } from "../packages/depthwise/src/training/judge.ts";

/** What a network reaches on CIFAR-10's test pictures, each shown once and as it is. */
export async function judgeOnTest(
  model: Pick<ModelFile, "network" | "weights">,
  { test }: Pick<Cifar10, "test">,
): Promise<TrainingRecord["test"]> {
  const { evaluation } = await judge(model, test);
  const { top1, top5, loss, images } = evaluation;
  return { top1, top5, loss, images };
}
