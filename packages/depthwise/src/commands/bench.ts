import { cpus } from "node:os";
import { OptionError } from "@depthwise/core";
import type { CommonOptions, Invocation, WeightsOptions } from "../command_line/invocation.ts";
import { modelWords, parseModels } from "../command_line/model_argument.ts";
import { startProgress } from "../command_line/progress.ts";
import { significant } from "../command_line/quantities.ts";
import { print, printJson } from "../command_line/terminal.ts";
import { measureModels, type Subject } from "../measuring/measure_models.ts";
import { checkUnderRoof, measureUnderRoof, type UnderRoof } from "../measuring/measure_under_roof.ts";
import { dominantLayersText, layersText, type Measured, measurementsText } from "../measuring/measurement_text.ts";
import { adviceText, rooflineText } from "../measuring/roofline_text.ts";
import { tuneModel } from "../measuring/tune_model.ts";
import { type OpenedModel, openModel } from "../open_model.ts";

interface BenchOptions extends CommonOptions, WeightsOptions {
  readonly runs?: number;
  readonly threads?: number;
  readonly layers?: boolean;
  readonly roofline?: boolean;
  readonly advise?: boolean;
  readonly wide?: boolean;
  readonly tune?: boolean;
}

/** `depthwise bench MODEL...`. */
export async function bench(invocation: Invocation<BenchOptions>): Promise<undefined> {
  const { options } = invocation;
  const models = parseModels(invocation);
  if (models.length > 1 && options.weights !== undefined) {
    throw new OptionError("bench: --weights is for one MODEL, but several are given.", {
      hint: "Times do not depend on the weights.",
    });
  }
  const { threads = 1, runs = 30, wide = false, tune = false, layers = false, json = false } = options;
  const { advise = false, roofline = advise } = options;
  if (roofline) checkUnderRoof({ threads, wide });
  const subjects: (OpenedModel & Subject & { readonly label: string })[] = [];
  for (const model of models) {
    const [opened, label] = [await openModel(model, options), modelWords(model)];
    subjects.push({ ...opened, label });
    // Beside the compiler's model, so that it shows what tuning is worth.
    if (tune) subjects.push({ ...opened, label: `${label} (tuned)`, tuning: await tuneModel(opened, { wide }) });
  }
  const progress = startProgress("measuring");
  const measurements = await measureModels(subjects, {
    threads,
    runs,
    wide,
    // People are told which layers dominate; programs get what they ask for.
    layers: layers || !json,
    onProgress: (done, total, what) => progress.update(done, total, what),
  });
  progress.end();
  const roofs: (UnderRoof | undefined)[] = [];
  for (const { network, tuning } of roofline ? subjects : [])
    roofs.push(tuning === undefined ? await measureUnderRoof(network, { threads, wide, runs, advise }) : undefined);
  if (json) printJson(measurements.map((measurement, i) => ({ ...measurement, ...roofs[i] })));
  else
    printForPeople(
      measurements.map((measurement, i) => ({
        measurement,
        network: (subjects[i] as OpenedModel).network,
        label: subjects[i]?.label ?? "",
      })),
      layers,
    );
  if (!json) for (const [i, roof] of roofs.entries()) if (roof) printRoof(subjects[i]?.label ?? "", roof);
}

function printRoof(label: string, { roofline, advice }: UnderRoof): void {
  print(`\n${rooflineText(label, roofline)}`);
  if (advice !== undefined) print(`\n${adviceText(advice)}`);
}

function printForPeople(measured: readonly Measured[], layers: boolean): void {
  const { peakGigamacsPerSecond, simd, wide } = (measured[0] as Measured).measurement;
  print(
    `${cpus()[0]?.model.trim() ?? "unknown CPU"}, Node ${process.versions.node}, ${simd} SIMD${wide ? " in pairs" : ""}; ` +
      `ceiling of 128-bit multiply-adds: ${significant(peakGigamacsPerSecond)} GMAC/s a thread\n`,
  );
  print(measurementsText(measured));
  for (const each of measured) print(`\n${layers ? layersText(each) : dominantLayersText(each)}`);
}
