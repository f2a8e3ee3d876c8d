import { describe } from "../cost/describe.ts";
import { build, type ListedVariant, listVariants } from "../networks/build.ts";
import { drawPlot, type PlotSeries } from "../plot/draw_plot.ts";
import type { Finding, PagePart } from "../plot/page.ts";
import { median } from "../statistics.ts";
import { figure, type LabOptions, type LabReport, type LabResult, measuringOptions, measuringSettings } from "./lab.ts";
import { type LatencyTable, latencyTable } from "./latency_model.ts";
import { type Contender, measureInTurns, type Samples } from "./measure_in_turns.ts";
import { correlation, type Estimate, estimateOf, rankCorrelation } from "./statistics.ts";
import { count, number, numberRange, percent } from "./words.ts";

/** Options of the lab of latency and work. */
export interface FlopsOptions extends LabOptions {
  /**
   * Which variants: `most` leaves out those above a thousand million multiply-accumulates, which take longer to compile than everything
   * else; `all` is all of them; or names. Default `most`.
   */
  readonly variants?: "most" | "all" | readonly string[] | undefined;
}

/** A published network, measured. */
export interface VariantMeasurement {
  readonly name: string;
  readonly family: string;
  readonly macs: number;
  readonly memoryAccessBytes: number;
  readonly parameters: number;
  /** The paper's ImageNet accuracy in percent, where it has one. */
  readonly top1?: number;
  readonly milliseconds: Estimate;
  /** By the latency model, from steps measured in the same run by builds with clocks. */
  readonly predicted: number;
}

/** How well the latency model did. */
export interface ModelQuality {
  /** Median of the relative errors. */
  readonly medianError: number;
  /** Share of the variants within a tenth. */
  readonly withinTenth: number;
  readonly worst: string;
}

export type FlopsResult = LabResult<
  "flops",
  {
    readonly variants: readonly VariantMeasurement[];
    readonly model: ModelQuality;
    readonly table: LatencyTable;
    /** Of the logarithms, and of the order, over all variants. */
    readonly correlations: {
      readonly macs: { readonly log: number; readonly rank: number };
      readonly memoryAccess: { readonly log: number; readonly rank: number };
    };
  }
>;

const defaults = { sessions: 3, rounds: 3, warmUp: 60, seconds: 240 };
/** Networks that take turns with each other; each twice, with clocks and without. */
const groupSize = 8;
/** Above this a network counts as large. */
const largeMacs = 1e9;

/** Latency of the published variants against what they cost on paper, and what the latency model predicts for them. */
export async function runFlops(options: FlopsOptions): Promise<FlopsResult> {
  const start = performance.now();
  const chosen = chooseVariants(options.variants ?? "most");
  const measuring = measuringOptions(options, defaults);
  const groups: (readonly Contender[])[] = [];
  for (let first = 0; first < chosen.length; first += groupSize) {
    groups.push(chosen.slice(first, first + groupSize).flatMap(contendersOf));
  }
  const samples = await measureInTurns(groups, measuring);
  const table = latencyTable(
    options.device,
    1,
    chosen.flatMap(({ name }) => samples.get(clocked(name))?.steps ?? []),
  );
  const variants = chosen.map((variant) => measurementOf(variant, table, samples));
  const model = qualityOf(variants);
  const correlations = correlationsOf(variants);
  return {
    lab: "flops",
    format: 1,
    device: options.device,
    settings: {
      ...measuringSettings(measuring, samples),
      variants: chosen.length,
    },
    seconds: (performance.now() - start) / 1000,
    findings: findingsOf(variants, model, correlations),
    figures: variants.map(({ name, milliseconds }) => figure(`${name}/milliseconds`, "ms", milliseconds)),
    data: { variants, model, table, correlations },
    // Steps are in the table; their samples would be most of the file.
    samples: [...samples.values()].filter(({ steps }) => steps === undefined),
  };
}

function chooseVariants(wanted: "most" | "all" | readonly string[]): readonly ListedVariant[] {
  const all = listVariants();
  if (wanted === "all") return all;
  if (wanted !== "most") return all.filter(({ name }) => wanted.includes(name));
  return all.filter(({ name }) => describe(build(name)).macs <= largeMacs);
}

function clocked(name: string): string {
  return `${name} with clocks`;
}

function contendersOf({ name }: ListedVariant): readonly Contender[] {
  const graph = () => build(name).graph;
  return [
    { name, graph },
    // Once: a step has as many samples as it has rounds and networks, and compiling is most of the work.
    { name: clocked(name), graph, profile: true, sessions: 1 },
  ];
}

function measurementOf(
  { name, family, published }: ListedVariant,
  table: LatencyTable,
  samples: ReadonlyMap<string, Samples>,
): VariantMeasurement {
  const { macs, memoryAccessBytes, parameters, classes } = describe(build(name));
  const steps = samples.get(clocked(name))?.steps ?? [];
  // Accuracies on other data than ImageNet's thousand classes are no rivals.
  const top1 = classes === 1000 ? published.top1 : undefined;
  return {
    name,
    family,
    macs,
    memoryAccessBytes,
    parameters,
    ...(top1 === undefined ? {} : { top1 }),
    milliseconds: estimateOf(samples.get(name)?.milliseconds ?? []),
    predicted: steps.reduce((sum, { key }) => sum + (table.steps[key]?.milliseconds ?? 0), 0),
  };
}

function errorOf({ predicted, milliseconds }: VariantMeasurement): number {
  return Math.abs(predicted / milliseconds.value - 1);
}

function qualityOf(variants: readonly VariantMeasurement[]): ModelQuality {
  const tenth = 0.1;
  const worst = variants.toSorted((a, b) => errorOf(b) - errorOf(a))[0];
  return {
    medianError: median(variants.map(errorOf)),
    withinTenth: variants.filter((variant) => errorOf(variant) <= tenth).length / variants.length,
    worst: worst?.name ?? "",
  };
}

function correlationsOf(variants: readonly VariantMeasurement[]): FlopsResult["data"]["correlations"] {
  const times = variants.map(({ milliseconds }) => Math.log(milliseconds.value));
  const against = (figures: readonly number[]) => ({
    log: correlation(figures.map(Math.log), times),
    rank: rankCorrelation(figures, times),
  });
  return {
    macs: against(variants.map(({ macs }) => macs)),
    memoryAccess: against(variants.map(({ memoryAccessBytes }) => memoryAccessBytes)),
  };
}

function findingsOf(
  variants: readonly VariantMeasurement[],
  model: ModelQuality,
  { macs, memoryAccess }: FlopsResult["data"]["correlations"],
): readonly Finding[] {
  const speeds = variants.map((variant) => variant.macs / variant.milliseconds.value);
  const spread = Math.max(...speeds) / Math.min(...speeds);
  const better = macs.log >= memoryAccess.log ? "Multiply-accumulates" : "Memory access cost";
  return [
    {
      verdict: spread > 1.5 ? "yes" : "no",
      word: spread > 1.5 ? "work is not time" : "work is time",
      text: `The quickest of ${variants.length} networks does ${number(spread)} times as many multiply-accumulates a second as the slowest.`,
    },
    {
      verdict: "yes",
      word: "correlation",
      text: `${better} tell the time better on this device: logarithms of time and multiply-accumulates correlate by ${macs.log.toFixed(3)} (ranks ${macs.rank.toFixed(3)}), of time and memory access cost by ${memoryAccess.log.toFixed(3)} (ranks ${memoryAccess.rank.toFixed(3)}).`,
    },
    {
      verdict: model.withinTenth >= 0.9 ? "yes" : model.withinTenth >= 0.7 ? "partly" : "no",
      word: model.withinTenth >= 0.9 ? "steps predict networks" : "steps predict most networks",
      text: `The sum of measured steps is within a tenth of the measured time for ${percent(model.withinTenth)} of the networks; the median error is ${percent(model.medianError)}, the largest that of ${model.worst}.`,
    },
  ];
}

/** Networks that no other one beats in both: faster and at least as accurate. */
export function paretoFront(variants: readonly VariantMeasurement[]): readonly VariantMeasurement[] {
  const rated = variants.filter(({ top1 }) => top1 !== undefined);
  let best = Number.NEGATIVE_INFINITY;
  return rated
    .toSorted((a, b) => a.milliseconds.value - b.milliseconds.value || (b.top1 ?? 0) - (a.top1 ?? 0))
    .filter(({ top1 = 0 }) => {
      const isBetter = top1 > best;
      if (isBetter) best = top1;
      return isBetter;
    });
}

/** The report of a result. */
export function flopsReport({ data, findings }: FlopsResult): LabReport {
  const { variants } = data;
  const front = paretoFront(variants);
  return {
    title: "Latency against what the papers count",
    lead: `${variants.length} published networks on this device, one thread, one picture at a time: does the count of multiply-accumulates tell how long a network takes? And does a table of measured steps?`,
    sections: [
      {
        heading: "Work and time",
        parts: [
          { kind: "findings", findings },
          scatter("Multiply-accumulates", "multiply-accumulates", variants, ({ macs }) => macs),
          scatter("Memory access cost", "bytes accessed", variants, ({ memoryAccessBytes }) => memoryAccessBytes),
        ],
      },
      { heading: "Accuracy and time", parts: [paretoPlot(variants, front), paretoTable(front)] },
      { heading: "Prediction", parts: [predictionPlot(variants)] },
      { heading: "All networks", parts: [variantTable(variants)] },
    ],
  };
}

function byFamily(
  variants: readonly VariantMeasurement[],
  pointOf: (variant: VariantMeasurement) => { readonly x: number; readonly y: number },
  isNamed: (variant: VariantMeasurement) => boolean,
): readonly PlotSeries[] {
  const families = [...new Set(variants.map(({ family }) => family))];
  return families.map((family, index) => ({
    name: family,
    // There are more families than colours: the second round is hollow.
    kind: index < 8 ? ("points" as const) : ("rings" as const),
    points: variants
      .filter((variant) => variant.family === family)
      .map((variant) => ({
        ...pointOf(variant),
        label: isNamed(variant) ? variant.name : undefined,
        title: variant.name,
      })),
  }));
}

function scatter(
  title: string,
  label: string,
  variants: readonly VariantMeasurement[],
  figureOf: (variant: VariantMeasurement) => number,
): PagePart {
  return {
    kind: "figure",
    draw: (width) =>
      drawPlot({
        title: `${title} and time`,
        width,
        height: width < 500 ? 400 : 440,
        x: { label, kind: "log" },
        y: { label: "milliseconds", kind: "log" },
        series: byFamily(
          variants,
          (variant) => ({ x: figureOf(variant), y: variant.milliseconds.value }),
          () => false,
        ),
      }),
  };
}

function paretoPlot(variants: readonly VariantMeasurement[], front: readonly VariantMeasurement[]): PagePart {
  const rated = variants.filter(({ top1 }) => top1 !== undefined);
  const pointOf = ({ milliseconds, top1 = 0 }: VariantMeasurement) => ({ x: milliseconds.value, y: top1 });
  return {
    kind: "figure",
    caption:
      "Accuracies are the papers' or the released checkpoints', in percent of ImageNet; times are this device's. On the line: no other network is both faster and as accurate.",
    draw: (width) =>
      drawPlot({
        title: "Accuracy and time",
        width,
        height: width < 500 ? 440 : 500,
        x: { label: "milliseconds here", kind: "log" },
        y: { label: "top-1 accuracy, %" },
        series: [
          { name: "not beaten", kind: "line", colour: 6, points: front.map(pointOf) },
          ...byFamily(rated, pointOf, (variant) => front.includes(variant)).map((series, index) => ({
            ...series,
            colour: index,
          })),
        ],
      }),
  };
}

function paretoTable(front: readonly VariantMeasurement[]): PagePart {
  return {
    kind: "table",
    caption: "Networks that no other one beats in both.",
    columns: [
      { title: "network" },
      { title: "milliseconds", align: "right" },
      { title: "top-1, %", align: "right" },
      { title: "MACs", align: "right" },
    ],
    rows: front.map(({ name, milliseconds, top1 = 0, macs }) => [
      name,
      numberRange(milliseconds),
      top1.toFixed(1),
      count(macs),
    ]),
  };
}

function predictionPlot(variants: readonly VariantMeasurement[]): PagePart {
  const times = variants.flatMap(({ milliseconds, predicted }) => [milliseconds.value, predicted]);
  const ends = [Math.min(...times), Math.max(...times)];
  return {
    kind: "figure",
    caption: "On the line the sum of the measured steps is the measured time.",
    draw: (width) =>
      drawPlot({
        title: "Predicted and measured",
        width,
        x: { label: "milliseconds, predicted from steps", kind: "log" },
        y: { label: "milliseconds, measured", kind: "log" },
        series: [
          { name: "equal", kind: "dashed", colour: 6, points: ends.map((end) => ({ x: end, y: end })) },
          {
            name: "networks",
            kind: "rings",
            colour: 0,
            points: variants.map(({ name, predicted, milliseconds }) => ({
              x: predicted,
              y: milliseconds.value,
              title: name,
            })),
          },
        ],
      }),
  };
}

function variantTable(variants: readonly VariantMeasurement[]): PagePart {
  return {
    kind: "table",
    columns: [
      { title: "network" },
      { title: "MACs", align: "right" },
      { title: "bytes accessed", align: "right" },
      { title: "milliseconds", align: "right" },
      { title: "predicted", align: "right" },
      { title: "top-1, %", align: "right" },
    ],
    rows: variants.map(({ name, macs, memoryAccessBytes, milliseconds, predicted, top1 }) => [
      name,
      count(macs),
      count(memoryAccessBytes),
      numberRange(milliseconds),
      number(predicted),
      top1 === undefined ? "" : top1.toFixed(1),
    ]),
  };
}
