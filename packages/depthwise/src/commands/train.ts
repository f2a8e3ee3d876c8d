import { OptionError } from "@depthwise/core";
import type { Invocation } from "../command_line/invocation.ts";
import { percent } from "../command_line/quantities.ts";
import { note, print } from "../command_line/terminal.ts";
import { checkCanWrite } from "../command_line/write_file_whole.ts";
import { openTraining } from "../training/open_training.ts";
import { augmentationFor, recipeFor } from "../training/recipe_for.ts";
import { identityOf, teacherIdentity } from "../training/run_identity.ts";
import { runTraining } from "../training/run_training.ts";
import type { TrainCommandOptions } from "../training/train_options.ts";
import type { TrainingOutcome, TrainingRun } from "../training/training_run.ts";

/** `depthwise train DATA --model M -o OUT`. */
export async function trainCommand(invocation: Invocation<TrainCommandOptions>): Promise<undefined> {
  const { options } = invocation;
  const [spec, ...words] = [...invocation.words, ...invocation.literal];
  if (spec === undefined || spec.startsWith("--"))
    throw new OptionError("train: DATA is missing: a folder, a CSV, cifar10 or shapes. It stands first.");
  const { output } = options;
  if (output === undefined) throw new OptionError("train: -o OUT.safetensors is missing: where the weights go.");
  const report = options.report === false ? undefined : (options.report ?? reportBeside(output));
  await checkCanWrite(output);
  if (report !== undefined) await checkCanWrite(report);
  const { data, network, from, teachers } = await openTraining(spec, words, invocation);
  const recipe = recipeFor(options, data, network);
  for (const warning of data.warnings) note(warning);
  for (const { file, reason } of data.skipped) note(`${file} is left out: ${reason}`);
  const identity = identityOf(network, data, {
    augmentation: augmentationFor(options, data, network),
    balance: options.balance ? "sample" : "none",
    recipe,
    ...(teachers.length > 0 && { teachers: teachers.map(teacherIdentity) }),
  });
  const run: TrainingRun = { options, output, report, data, network, from, teachers, identity };
  const outcome = await runTraining(run);
  if (outcome !== undefined && !options.json) print(endText(run, outcome));
  return undefined;
}

function reportBeside(output: string): string {
  return `${output.replace(/\.safetensors$/i, "")}.html`;
}

function endText({ output, report }: TrainingRun, { best, judgement, judgedOn }: TrainingOutcome): string {
  const test =
    judgedOn === "test" && judgement
      ? ` On the ${judgement.evaluation.images} test pictures: top-1 ${percent(judgement.evaluation.top1)}.`
      : "";
  const lines = [
    `\nThe weights of epoch ${best.epoch} are in ${output}.${test}`,
    ...(report === undefined ? [] : [`How it went, with pictures: ${report}`]),
    `depthwise classify ${output} PICTURE`,
  ];
  return lines.join("\n");
}
