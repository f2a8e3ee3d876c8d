import { describe } from "../cost/describe.ts";
import { build } from "../networks/build.ts";
import { drawPlot } from "../plot/draw_plot.ts";
import type { Finding, PagePart, PageSection } from "../plot/page.ts";
import { median } from "../statistics.ts";
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
import { type Estimate, estimateOf, meanEstimate, rankCorrelation } from "./statistics.ts";
import { type Table8Level, type Table8Row, table8 } from "./table8_speeds.ts";
import { count, number, numberRange, ratioRange } from "./words.ts";

/** Options of the lab of table 8. */
export interface Table8Options extends LabOptions {
  /** Levels that are measured. Default: all. */
  readonly levels?: readonly string[];
}

/** A network of the table, measured. */
export interface Table8Measurement {
  readonly level: string;
  readonly name: string;
  readonly macs: number;
  readonly threads: number;
  readonly milliseconds: Estimate;
  /** The paper's speeds. */
  readonly gpu: number;
  readonly arm: number;
}

/** How the order of one level here agrees with the paper's: rank correlations, one for each of its platforms. */
export interface Table8Order {
  readonly level: string;
  readonly threads: number;
  readonly gpu: Estimate;
  readonly arm: Estimate;
}

export type Table8Result = LabResult<
  "table8",
  { readonly measured: readonly Table8Measurement[]; readonly orders: readonly Table8Order[] }
>;

const defaults = { sessions: 6, rounds: 3, warmUp: 120, seconds: 140 };

/** Table 8 of ShuffleNet V2, measured on this device. */
export async function runTable8(options: Table8Options): Promise<Table8Result> {
  const start = performance.now();
  const levels = table8.filter(({ level }) => options.levels?.includes(level) ?? true);
  const threads = threadCounts(options.device);
  const groups = levels.flatMap((level) => threads.map((each) => contendersOf(level, each)));
  const measuring = measuringOptions(options, defaults);
  const samples = await measureInTurns(groups, measuring);
  const measured = levels.flatMap((level) =>
    threads.flatMap((each) => level.rows.map((row) => measurementOf(level, row, each, samples))),
  );
  const orders = levels.flatMap((level) => threads.map((each) => orderOf(level, each, samples)));
  return {
    lab: "table8",
    format: 1,
    device: options.device,
    settings: {
      ...measuringSettings(measuring, samples),
    },
    seconds: (performance.now() - start) / 1000,
    findings: orders.filter((order) => order.threads === 1).map(findingOf),
    figures: [
      ...measured.map((each) =>
        figure(`${nameOf(each.level, each.name, each.threads)}/milliseconds`, "ms", each.milliseconds),
      ),
      ...orders.flatMap(({ level, threads, gpu, arm }) => [
        figure(`${level}/${threadWords(threads)}/order against GPU`, "correlation", gpu),
        figure(`${level}/${threadWords(threads)}/order against ARM`, "correlation", arm),
      ]),
    ],
    data: { measured, orders },
    samples: [...samples.values()],
  };
}

function nameOf(level: string, name: string, threads: number): string {
  return `${level}/${threadWords(threads)}/${name}`;
}

function contendersOf({ level, rows }: Table8Level, threads: number): readonly Contender[] {
  return rows.map(({ name, network, options }) => ({
    name: nameOf(level, name, threads),
    graph: () => build(network, options).graph,
    threads,
  }));
}

function measurementOf(
  { level }: Table8Level,
  { name, network, options, gpu, arm }: Table8Row,
  threads: number,
  samples: ReadonlyMap<string, Samples>,
): Table8Measurement {
  const milliseconds = estimateOf(samples.get(nameOf(level, name, threads))?.milliseconds ?? []);
  return { level, name, macs: describe(build(network, options)).macs, threads, milliseconds, gpu, arm };
}

/** Rank correlations of each session's medians with the paper's speeds. */
function orderOf({ level, rows }: Table8Level, threads: number, samples: ReadonlyMap<string, Samples>): Table8Order {
  const times = rows.map(({ name }) => samples.get(nameOf(level, name, threads))?.milliseconds ?? []);
  const sessions = (times[0] ?? []).map((_, session) => times.map((of) => 1 / median(of[session] ?? [])));
  const against = (speeds: readonly number[]): Estimate => {
    const { value, low, high } = meanEstimate(sessions.map((here) => rankCorrelation(here, speeds)));
    return { value, low: Math.max(-1, low), high: Math.min(1, high) };
  };
  return { level, threads, gpu: against(rows.map(({ gpu }) => gpu)), arm: against(rows.map(({ arm }) => arm)) };
}

/** From here on an order is called the same, or at least alike. */
const same = 0.8;
const alike = 0.4;

function findingOf({ level, gpu, arm }: Table8Order): Finding {
  const best = Math.max(gpu.value, arm.value);
  const verdict = best >= same ? "yes" : best >= alike ? "partly" : "no";
  const word = { yes: "same order", partly: "similar order", no: "another order" }[verdict];
  return {
    verdict,
    word,
    text: `At ${level} million multiply-accumulates, one thread: rank correlation ${ratioRange(arm)} with the paper's ARM, ${ratioRange(gpu)} with its GPU.`,
  };
}

/** The report of a result. */
export function table8Report({ data, findings }: Table8Result): LabReport {
  const levels = [...new Set(data.measured.map(({ level }) => level))];
  return {
    title: "Table 8 of ShuffleNet V2 on this device",
    lead:
      "Networks of about equal multiply-accumulates and very different speed, measured in turns, one picture at a time, beside the speeds that arXiv:1807.11164 prints for a GPU and a phone. " +
      "In brackets, where another run of this lab would come out 95 times in 100.",
    sections: [
      {
        heading: "The order here and the order there",
        parts: [{ kind: "findings", findings }, scatter(data.measured)],
      },
      ...levels.map((level) => sectionOf(level, data.measured)),
    ],
  };
}

function scatter(measured: readonly Table8Measurement[]): PagePart {
  const single = measured.filter(({ threads }) => threads === 1);
  const levels = [...new Set(single.map(({ level }) => level))];
  return {
    kind: "figure",
    caption: "Each level is a colour. On a straight line from left below to right above the order would be the same.",
    draw: (width) =>
      drawPlot({
        title: "Speed here and on the paper's phone",
        width,
        height: width < 500 ? 420 : 520,
        x: { label: "paper: pictures a second, Snapdragon 810, one thread", kind: "log" },
        y: { label: "here: pictures a second, one thread", kind: "log" },
        series: levels.map((level) => ({
          name: `${level} M`,
          kind: "points" as const,
          points: single
            .filter((each) => each.level === level)
            .map(({ name, arm, milliseconds }) => ({
              x: arm,
              y: 1000 / milliseconds.value,
              low: 1000 / milliseconds.high,
              high: 1000 / milliseconds.low,
              label: name,
            })),
        })),
      }),
  };
}

function sectionOf(level: string, measured: readonly Table8Measurement[]): PageSection {
  const own = measured.filter((each) => each.level === level);
  const threads = [...new Set(own.map((each) => each.threads))];
  const names = own.filter((each) => each.threads === 1);
  const of = (name: string, count: number) => own.find((each) => each.name === name && each.threads === count);
  const rankBy = (value: (each: Table8Measurement) => number) => (each: Table8Measurement) =>
    String(1 + names.filter((other) => value(other) > value(each)).length);
  const ranks = [rankBy((each) => -each.milliseconds.value), rankBy(({ arm }) => arm), rankBy(({ gpu }) => gpu)];
  return {
    heading: `${level} million multiply-accumulates`,
    parts: [
      {
        kind: "table",
        columns: [
          { title: "network" },
          { title: "MACs", align: "right" },
          ...threads.map((count) => ({ title: `ms, ${threadWords(count)}`, align: "right" as const })),
          { title: "place here", align: "right" },
          { title: "ARM", align: "right" },
          { title: "place", align: "right" },
          { title: "GPU", align: "right" },
          { title: "place", align: "right" },
        ],
        rows: names
          .toSorted((a, b) => a.milliseconds.value - b.milliseconds.value)
          .map((each) => [
            each.name,
            count(each.macs),
            ...threads.map((threadCount) => numberRange(of(each.name, threadCount)?.milliseconds ?? each.milliseconds)),
            ranks[0]?.(each) ?? "",
            number(each.arm),
            ranks[1]?.(each) ?? "",
            number(each.gpu),
            ranks[2]?.(each) ?? "",
          ]),
      },
    ],
  };
}
