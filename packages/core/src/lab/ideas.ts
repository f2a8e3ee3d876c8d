import { describeConnections } from "../cost/connections.ts";
import { describe } from "../cost/describe.ts";
import type { Graph } from "../graph/graph.ts";
import { drawBars } from "../plot/draw_bars.ts";
import type { Finding, PagePart } from "../plot/page.ts";
import { type Idea, ideas } from "./idea_twins.ts";
import {
  figure,
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
import { type IdeaAccuracy, type IdeasTraining, trainIdeas } from "./train_ideas.ts";
import { count, listed, numberRange, percent, ratio, ratioRange } from "./words.ts";

/** Options of the ideas' lab. */
export interface IdeasOptions extends LabOptions {
  /** Ids of the ideas that are measured. Default: all. */
  readonly only?: readonly string[];
  /** Trains a small network of each idea and its twin. Default: nothing is trained. */
  readonly training?: IdeasTraining | undefined;
}

/** What a network costs. */
export interface IdeaCost {
  readonly parameters: number;
  readonly macs: number;
  readonly memoryAccessBytes: number;
  /** Share of the channel pairs of a block that a path joins, in the mean over the blocks: of ideas of group communication. */
  readonly connected?: number;
}

/** An idea, its twin, and what each costs. */
export interface IdeaMeasurement {
  readonly id: string;
  readonly title: string;
  readonly paper: string;
  readonly twin: string;
  readonly withIdea: IdeaCost;
  readonly withoutIdea: IdeaCost;
  readonly latencies: readonly {
    readonly threads: number;
    readonly withIdea: Estimate;
    readonly withoutIdea: Estimate;
    /** The twin's time over the idea's. */
    readonly ratio: Estimate;
  }[];
  /** Of the small networks, where they were trained. */
  readonly accuracy?: IdeaAccuracy;
}

export type IdeasResult = LabResult<"ideas", readonly IdeaMeasurement[]>;

const defaults = { sessions: 6, rounds: 3, warmUp: 100, seconds: 140 };
/** Share of the work that measuring is where networks are trained too. */
const shareMeasured = 0.05;

/** Every idea of the field against its twin without it. */
export async function runIdeas(options: IdeasOptions): Promise<IdeasResult> {
  const start = performance.now();
  const chosen = ideas.filter(({ id }) => options.only?.includes(id) ?? true);
  const threads = threadCounts(options.device);
  const { training, seed = 0, onProgress = () => {} } = options;
  const measuredShare = training ? shareMeasured : 1;
  const measuring = measuringOptions(
    { ...options, onProgress: (share, what) => onProgress(measuredShare * share, what) },
    defaults,
  );
  const samples = await measureInTurns(
    chosen.flatMap((idea) => threads.map((each) => contendersOf(idea, each))),
    measuring,
  );
  const accuracies =
    training &&
    (await trainIdeas(chosen, training, seed, (share, what) =>
      onProgress(measuredShare + (1 - measuredShare) * share, what),
    ));
  const data = chosen.map((idea) => ({
    ...measurementOf(idea, threads, samples),
    ...(accuracies ? { accuracy: accuracies.get(idea.id) as IdeaAccuracy } : {}),
  }));
  return {
    lab: "ideas",
    format: 1,
    device: options.device,
    settings: {
      ...measuringSettings(measuring, samples),
      ...(training ? { trainedOn: training.data, epochs: training.epochs, imagesOfEpoch: training.images } : {}),
    },
    seconds: (performance.now() - start) / 1000,
    findings: data.map(findingOf),
    figures: data.flatMap(({ id, latencies }) =>
      latencies.flatMap(({ threads, withIdea, withoutIdea, ratio }) => [
        figure(`${id}/${threadWords(threads)}/with/milliseconds`, "ms", withIdea),
        figure(`${id}/${threadWords(threads)}/without/milliseconds`, "ms", withoutIdea),
        figure(`${id}/${threadWords(threads)}/without over with`, "ratio", ratio),
      ]),
    ),
    data,
    samples: [...samples.values()],
  };
}

function nameOf(id: string, threads: number, side: "with" | "without"): string {
  return `${id}/${threadWords(threads)}/${side}`;
}

function contendersOf({ id, withIdea, withoutIdea }: Idea, threads: number): readonly Contender[] {
  return [
    { name: nameOf(id, threads, "with"), graph: () => withIdea("published"), threads },
    { name: nameOf(id, threads, "without"), graph: () => withoutIdea("published"), threads },
  ];
}

function measurementOf(
  { id, title, paper, twin, withIdea, withoutIdea, communicates = false }: Idea,
  threads: readonly number[],
  samples: ReadonlyMap<string, Samples>,
): IdeaMeasurement {
  return {
    id,
    title,
    paper,
    twin,
    withIdea: costOf(withIdea("published"), communicates),
    withoutIdea: costOf(withoutIdea("published"), communicates),
    latencies: threads.map((count) => {
      const times = (side: "with" | "without") => samples.get(nameOf(id, count, side))?.milliseconds ?? [];
      const [own, other] = [times("with"), times("without")];
      const ratios = own.map((rounds, session) =>
        rounds.map((time, round) => (other[session]?.[round] ?? Number.NaN) / time),
      );
      return { threads: count, withIdea: estimateOf(own), withoutIdea: estimateOf(other), ratio: estimateOf(ratios) };
    }),
  };
}

function costOf(graph: Graph, communicates: boolean): IdeaCost {
  const { parameters, macs, memoryAccessBytes } = describe(graph);
  if (!communicates) return { parameters, macs, memoryAccessBytes };
  const blocks = describeConnections(graph);
  const connected = 1 - blocks.reduce((sum, { unconnectedShare }) => sum + unconnectedShare, 0) / blocks.length;
  return { parameters, macs, memoryAccessBytes, connected };
}

/** Less of a difference than this is none. */
const noticeable = 0.03;

function findingOf({ title, withIdea, withoutIdea, latencies }: IdeaMeasurement): Finding {
  const [single] = latencies;
  const work = ratio(withoutIdea.macs / withIdea.macs);
  const time = single?.ratio ?? { value: Number.NaN, low: Number.NaN, high: Number.NaN };
  const isSure = (time.low > 1 || time.high < 1) && Math.abs(time.value - 1) > noticeable;
  const verdict = !isSure ? "unknown" : time.value > 1 ? "yes" : "no";
  const word = { yes: "saves time", no: "costs time", unknown: "makes no sure difference" }[verdict];
  const connected =
    withIdea.connected === undefined
      ? ""
      : ` Within a block ${percent(withIdea.connected)} of the channel pairs are connected, without it ${percent(withoutIdea.connected ?? 0)}.`;
  return {
    verdict,
    word,
    text: `${title}: the twin without it takes ${ratioRange(time)} times as long, for ${work} times the multiply-accumulates.${connected}`,
  };
}

/** The report of a result. */
export function ideasReport({ data, findings, settings }: IdeasResult): LabReport {
  const threads = data[0]?.latencies.map((each) => each.threads) ?? [];
  return {
    title: "Every idea and its price",
    lead:
      "Networks of the papers, each beside a twin without the idea that the paper brought: what the idea saves and costs in parameters, multiply-accumulates, memory access and, on this device, in time. " +
      "A twin may be faster and worse: `lab ideas --train cifar10` trains small ones and adds what each idea is worth in accuracy.",
    sections: [
      { heading: "What each idea does", parts: [{ kind: "findings", findings }] },
      { heading: "Time against work", parts: [barsOf(data)] },
      { heading: "The figures", parts: [costTable(data), timeTable(data, threads)] },
      ...(data.some(({ accuracy }) => accuracy)
        ? [{ heading: "What it is worth in accuracy", parts: [accuracyTable(data, settings)] }]
        : []),
      {
        heading: "How the twins are made",
        parts: data.map(
          ({ title, paper, twin }): PagePart => ({ kind: "text", text: `${title} (${paper}). Twin: ${twin}.` }),
        ),
      },
    ],
  };
}

function accuracyTable(data: readonly IdeaMeasurement[], settings: IdeasResult["settings"]): PagePart {
  const pair = (a: number, b: number) => `${count(a)} / ${count(b)}`;
  return {
    kind: "table",
    caption:
      `Small networks for pictures of 32x32 (of the same families, or the same blocks in a row), with the idea / without it, each trained from the same seed for ` +
      `${settings.epochs} epochs of ${settings.imagesOfEpoch} pictures of ${settings.trainedOn}. One seed: another one moves a figure by about a point.`,
    columns: [
      { title: "idea" },
      { title: "parameters", align: "right" },
      { title: "MACs", align: "right" },
      { title: "top-1", align: "right" },
      { title: "the idea's worth", align: "right" },
    ],
    rows: data.flatMap(({ title, accuracy }) => {
      if (accuracy === undefined) return [];
      const { withIdea, withoutIdea } = accuracy;
      return [
        [
          title,
          pair(withIdea.parameters, withoutIdea.parameters),
          pair(withIdea.macs, withoutIdea.macs),
          [withIdea, withoutIdea].map(({ top1 }) => (top1 === null ? "diverged" : percent(top1))).join(" / "),
          worthOf(accuracy),
        ],
      ];
    }),
  };
}

function worthOf({ withIdea, withoutIdea }: IdeaAccuracy): string {
  if (withIdea.top1 === null || withoutIdea.top1 === null) return "";
  const points = 100 * (withIdea.top1 - withoutIdea.top1);
  return `${points < 0 ? "\u2212" : "+"}${Math.abs(points).toFixed(1)} points`;
}

/** Bars longer than this many times are cut off. */
const longestBar = 6;

function barsOf(data: readonly IdeaMeasurement[]): PagePart {
  return {
    kind: "figure",
    caption: `The twin's figure over that of the network with the idea: above 1 the idea saves. Bars end at ${longestBar}.`,
    draw: (width) =>
      drawBars({
        title: "Without the idea, over with it",
        width,
        axis: { label: "ratio", range: [0, longestBar], format: (value) => ratio(value) },
        series: ["time, 1 thread", "multiply-accumulates", "memory access"],
        guide: 1,
        rows: data.map(({ title, latencies, withIdea, withoutIdea }) => ({
          name: title,
          values: [
            latencies[0]?.ratio,
            { value: withoutIdea.macs / withIdea.macs },
            { value: withoutIdea.memoryAccessBytes / withIdea.memoryAccessBytes },
          ],
        })),
      }),
  };
}

function costTable(data: readonly IdeaMeasurement[]): PagePart {
  const pair = (a: number, b: number) => `${count(a)} / ${count(b)}`;
  return {
    kind: "table",
    caption: "With the idea / without it.",
    columns: [
      { title: "idea" },
      { title: "parameters", align: "right" },
      { title: "MACs", align: "right" },
      { title: "bytes accessed", align: "right" },
      { title: "connected", align: "right" },
    ],
    rows: data.map(({ title, withIdea, withoutIdea }) => [
      title,
      pair(withIdea.parameters, withoutIdea.parameters),
      pair(withIdea.macs, withoutIdea.macs),
      pair(withIdea.memoryAccessBytes, withoutIdea.memoryAccessBytes),
      withIdea.connected === undefined
        ? ""
        : listed([percent(withIdea.connected), percent(withoutIdea.connected ?? 0)]).replace(" and ", " / "),
    ]),
  };
}

function timeTable(data: readonly IdeaMeasurement[], threads: readonly number[]): PagePart {
  return {
    kind: "table",
    caption:
      "Milliseconds, and the twin's time over the idea's; in brackets, where another run would come out 95 times in 100.",
    columns: [
      { title: "idea" },
      { title: "threads", align: "right" },
      { title: "with", align: "right" },
      { title: "without", align: "right" },
      { title: "ratio", align: "right" },
    ],
    rows: data.flatMap(({ title, latencies }) =>
      threads.map((count) => {
        const own = latencies.find((each) => each.threads === count) ?? latencies[0];
        return own === undefined
          ? []
          : [title, String(count), numberRange(own.withIdea), numberRange(own.withoutIdea), ratioRange(own.ratio)];
      }),
    ),
  };
}
