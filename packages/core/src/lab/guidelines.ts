import { drawBars } from "../plot/draw_bars.ts";
import type { Finding, PagePart, PageSection } from "../plot/page.ts";
import {
  type GuidelineExperiment,
  type GuidelineSize,
  guidelineExperiments,
  type Multiple,
  multiples,
  paperSize,
} from "./guideline_graphs.ts";
import {
  figure,
  type LabFigure,
  type LabOptions,
  type LabReport,
  type LabResult,
  measuringOptions,
  measuringSettings,
  threadCounts,
  threadWords,
} from "./lab.ts";
import { type Contender, measureInTurns, type Samples } from "./measure_in_turns.ts";
import { type Estimate, estimateOf } from "./statistics.ts";
import { listed, numberRange, ratio, ratioRange } from "./words.ts";

/** Options of the guidelines' lab. */
export interface GuidelinesOptions extends LabOptions {
  /** Default: the paper's, 56x56 and ten blocks. */
  readonly size?: GuidelineSize;
  /** Columns of the paper's tables. Default: all. */
  readonly multiples?: readonly Multiple[];
}

/** One version of an experiment, measured in one way. */
export interface GuidelineMeasurement {
  readonly experiment: string;
  readonly version: string;
  readonly multiple: Multiple;
  readonly threads: number;
  readonly fuse: boolean;
  readonly milliseconds: Estimate;
  /** Over that of the experiment's first version: the guideline says below 1. */
  readonly speed: Estimate;
  /** The same from the paper's table. */
  readonly paper: { readonly gpu: number; readonly arm: number };
  /** Whether the compiler had nothing to fuse: the module is the same with and without. */
  readonly isSame: boolean;
}

export type GuidelinesResult = LabResult<"guidelines", readonly GuidelineMeasurement[]>;

const defaults = { sessions: 7, rounds: 2, warmUp: 80, seconds: 270 };

/**
 * The four experiments of ShuffleNet V2 on this device: with the channels of its ARM tables, at one thread and at all, with fusion and
 * without.
 */
export async function runGuidelines(options: GuidelinesOptions): Promise<GuidelinesResult> {
  const { size = paperSize } = options;
  const columns = options.multiples ?? multiples;
  const start = performance.now();
  const groups = guidelineExperiments.flatMap((experiment) =>
    threadCounts(options.device).flatMap((threads) =>
      columns.map((multiple) => contendersOf(experiment, multiple, threads, size)),
    ),
  );
  const measuring = measuringOptions(options, defaults);
  const samples = await measureInTurns(groups, measuring);
  const data = guidelineExperiments.flatMap((experiment) =>
    threadCounts(options.device).flatMap((threads) =>
      columns.flatMap((multiple) =>
        [true, false].flatMap((fuse) => measurementsOf(experiment, multiple, threads, fuse, samples)),
      ),
    ),
  );
  return {
    lab: "guidelines",
    format: 1,
    device: options.device,
    settings: {
      ...measuringSettings(measuring, samples),
      resolution: size.resolution,
      repeats: size.repeats,
    },
    seconds: (performance.now() - start) / 1000,
    findings: guidelineExperiments.flatMap((experiment) => findingsOf(experiment, data)),
    figures: data.flatMap(figuresOf),
    data,
    samples: [...samples.values()],
  };
}

function nameOf(experiment: string, multiple: number, threads: number, fuse: boolean, version: string): string {
  return `${experiment}/x${multiple}/${threadWords(threads)}/${fuse ? "fused" : "unfused"}/${version}`;
}

function contendersOf(
  { id, versions }: GuidelineExperiment,
  multiple: Multiple,
  threads: number,
  size: GuidelineSize,
): readonly Contender[] {
  return [true, false].flatMap((fuse) =>
    versions.map((version) => ({
      name: nameOf(id, multiple, threads, fuse, version.name),
      graph: () => version.graph("arm", multiple, size),
      threads,
      fuse,
    })),
  );
}

function measurementsOf(
  { id, versions }: GuidelineExperiment,
  multiple: Multiple,
  threads: number,
  fuse: boolean,
  samples: ReadonlyMap<string, Samples>,
): readonly GuidelineMeasurement[] {
  const column = multiples.indexOf(multiple);
  const [first] = versions;
  const of = (version: string) => samples.get(nameOf(id, multiple, threads, fuse, version));
  return versions.map(({ name, speeds }) => {
    const [own, base] = [of(name), of(first?.name ?? name)];
    const without = samples.get(nameOf(id, multiple, threads, false, name));
    return {
      experiment: id,
      version: name,
      multiple,
      threads,
      fuse,
      milliseconds: estimateOf(own?.milliseconds ?? []),
      speed: relativeSpeed(base, own),
      paper: {
        gpu: (speeds.gpu[column] ?? Number.NaN) / (first?.speeds.gpu[column] ?? Number.NaN),
        arm: (speeds.arm[column] ?? Number.NaN) / (first?.speeds.arm[column] ?? Number.NaN),
      },
      isSame: without?.sameAs === nameOf(id, multiple, threads, true, name),
    };
  });
}

/** Speed of `own` over that of `base`, from pairs of samples of the same round. */
function relativeSpeed(base: Samples | undefined, own: Samples | undefined): Estimate {
  const sessions = (own?.milliseconds ?? []).map((rounds, session) =>
    rounds.map((time, round) => (base?.milliseconds[session]?.[round] ?? Number.NaN) / time),
  );
  return estimateOf(sessions);
}

function figuresOf(measured: GuidelineMeasurement): readonly LabFigure[] {
  const { experiment, multiple, threads, fuse, version } = measured;
  const name = nameOf(experiment, multiple, threads, fuse, version);
  return [
    figure(`${name}/milliseconds`, "ms", measured.milliseconds),
    ...(measured.speed.low === measured.speed.high ? [] : [figure(`${name}/speed`, "ratio", measured.speed)]),
  ];
}

/** Less of a difference than this is none: nobody chooses an architecture for it. */
const noticeable = 0.03;

/** Whether a relative speed is lower for certain, and by a noticeable part; undefined where the interval leaves that open. */
function isSlower({ value, low, high }: Estimate): boolean | undefined {
  if (high < 1 && value < 1 - noticeable) return true;
  return low > 1 - noticeable || value >= 1 - noticeable / 2 ? false : undefined;
}

/** What a guideline's columns say together. */
function verdictOf(slower: readonly (boolean | undefined)[]): Pick<Finding, "verdict" | "word"> {
  if (slower.every((each) => each === true)) return { verdict: "yes", word: "holds" };
  if (slower.includes(true)) return { verdict: "partly", word: "holds in part" };
  if (slower.every((each) => each === false)) return { verdict: "no", word: "does not hold" };
  return { verdict: "unknown", word: "cannot be told" };
}

/** The versions on which each guideline is judged: its extremes. */
const judged: Readonly<Record<string, readonly string[]>> = {
  widths: ["1:12"],
  groups: ["8 groups"],
  fragments: ["4 in series", "4 in parallel"],
  elementwise: ["ReLU and shortcut"],
};

function findingsOf(experiment: GuidelineExperiment, data: readonly GuidelineMeasurement[]): readonly Finding[] {
  const own = data.filter(({ experiment: id }) => id === experiment.id);
  const threads = [...new Set(own.map((measured) => measured.threads))];
  return threads.flatMap((count) =>
    (judged[experiment.id] ?? []).map((version) =>
      findingOf(
        experiment,
        version,
        own.filter((measured) => measured.version === version && measured.threads === count),
      ),
    ),
  );
}

function findingOf(
  { guideline, versions }: GuidelineExperiment,
  version: string,
  measured: readonly GuidelineMeasurement[],
): Finding {
  const fused = measured.filter(({ fuse }) => fuse);
  const unfused = measured.filter(({ fuse, isSame }) => !fuse && !isSame);
  const columns = listed(fused.map(({ multiple }) => `x${multiple}`));
  const [base] = versions;
  const threads = threadWords(fused[0]?.threads ?? 1);
  const texts = [
    `Guideline ${guideline}, ${threads}: ${version} runs at ${listed(fused.map(({ speed }) => ratioRange(speed)))} of the speed of ${base?.name} (${columns})`,
    `the paper has ${listed(fused.map(({ paper }) => ratio(paper.gpu)))} on its GPU and ${listed(fused.map(({ paper }) => ratio(paper.arm)))} on its ARM`,
    ...(unfused.length > 0
      ? [`with the compiler's fusion off ${listed(unfused.map(({ speed }) => ratioRange(speed)))}`]
      : []),
  ];
  return { ...verdictOf(fused.map(({ speed }) => isSlower(speed))), text: `${texts.join("; ")}.` };
}

/** The report of a result. */
export function guidelinesReport({ data, findings, settings }: GuidelinesResult): LabReport {
  return {
    title: "The guidelines of ShuffleNet V2 on this device",
    lead:
      `Four experiments of arXiv:1807.11164, section 2, as graphs of ${settings.repeats} blocks at ${settings.resolution}x${settings.resolution}, compiled and measured in turns. ` +
      "Fusion is what our compiler does and engines then did not: elementwise work inside convolutions, and chains of layers band by band. A version's speed is told over that of the version that the guideline recommends, from pairs of turns in the same round; in brackets, where another run of this lab would come out 95 times in 100.",
    sections: guidelineExperiments.map((experiment) =>
      sectionOf(
        experiment,
        data.filter(({ experiment: id }) => id === experiment.id),
        findings.filter(({ text }) => text.startsWith(`Guideline ${experiment.guideline},`)),
      ),
    ),
  };
}

function sectionOf(
  { guideline, title, claim, note, versions }: GuidelineExperiment,
  data: readonly GuidelineMeasurement[],
  findings: readonly Finding[],
): PageSection {
  const columns = [...new Set(data.map(({ multiple }) => multiple))];
  const threads = [...new Set(data.map((measured) => measured.threads))];
  const of = (version: string, multiple: number, count: number, fuse: boolean) =>
    data.find(
      (each) => each.version === version && each.multiple === multiple && each.threads === count && each.fuse === fuse,
    );
  const fusionMatters = data.some(({ fuse, isSame }) => !fuse && !isSame);
  const figures = columns.map(
    (multiple): PagePart => ({
      kind: "figure",
      caption: `Channels x${multiple}: speed over that of ${versions[0]?.name}. Whiskers: where another run would come out.`,
      draw: (width) =>
        drawBars({
          title: `x${multiple}`,
          description: `${title}, channels times ${multiple}: relative speeds here and in the paper`,
          width,
          axis: { label: "relative speed", format: ratio, range: [0, 1.5] },
          series: [
            ...threads.map((count) => `here, ${threadWords(count)}`),
            ...(fusionMatters ? ["here, 1 thread, not fused"] : []),
            "paper, GPU",
            "paper, ARM",
          ],
          guide: 1,
          rows: versions.map(({ name }) => ({
            name,
            values: [
              ...threads.map((count) => of(name, multiple, count, true)?.speed),
              ...(fusionMatters ? [of(name, multiple, 1, false)?.speed] : []),
              { value: of(name, multiple, 1, true)?.paper.gpu ?? Number.NaN },
              { value: of(name, multiple, 1, true)?.paper.arm ?? Number.NaN },
            ],
          })),
        }),
    }),
  );
  return {
    heading: `Guideline ${guideline}: ${title}`,
    parts: [
      { kind: "text", text: `“${claim}” ${note}` },
      { kind: "findings", findings },
      ...figures,
      {
        kind: "table",
        columns: [
          { title: "channels" },
          { title: "version" },
          { title: "threads", align: "right" },
          { title: "fusion" },
          { title: "milliseconds", align: "right" },
          { title: "relative speed", align: "right" },
          { title: "paper GPU", align: "right" },
          { title: "paper ARM", align: "right" },
        ],
        rows: data
          .filter(({ fuse, isSame }) => fuse || !isSame)
          .map((each) => [
            `x${each.multiple}`,
            each.version,
            String(each.threads),
            each.isSame ? "nothing to fuse" : each.fuse ? "on" : "off",
            numberRange(each.milliseconds),
            ratioRange(each.speed),
            ratio(each.paper.gpu),
            ratio(each.paper.arm),
          ]),
      },
    ],
  };
}
