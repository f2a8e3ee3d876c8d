import { FormatError, OptionError } from "../errors.ts";
import { drawPlot } from "../plot/draw_plot.ts";
import { type PagePart, writePage } from "../plot/page.ts";
import { median } from "../statistics.ts";
import { type LabFigure, type LabResult, labNames } from "./lab.ts";
import { number, percent, ratio } from "./words.ts";

/** A figure of two results. */
export interface FigureDifference {
  readonly id: string;
  readonly unit: LabFigure["unit"];
  readonly before: LabFigure;
  readonly after: LabFigure;
  /** Whether each lies outside of where another run of the other would come out. */
  readonly differs: boolean;
}

/** Two results of the same lab, figure by figure. */
export interface LabDiff {
  readonly lab: LabResult["lab"];
  readonly before: LabResult["device"];
  readonly after: LabResult["device"];
  readonly differences: readonly FigureDifference[];
  /** Ids that one of them lacks. */
  readonly unmatched: readonly string[];
  /** Of figures in milliseconds: the median of after over before. NaN if there are none. */
  readonly timeRatio: number;
}

/**
 * Compares two results of one lab: of two devices, two engines, or two versions.
 *
 * @throws {OptionError} if they are of different labs
 */
export function diffLabs(before: LabResult, after: LabResult): LabDiff {
  if (before.lab !== after.lab)
    throw new OptionError(`Results of two labs, ${before.lab} and ${after.lab}: expected two of the same lab.`);
  const others = new Map(after.figures.map((each) => [each.id, each]));
  const known = new Set(before.figures.map(({ id }) => id));
  const differences = before.figures.flatMap((own): readonly FigureDifference[] => {
    const other = others.get(own.id);
    if (other === undefined) return [];
    const differs = !isWithin(other.value, own) && !isWithin(own.value, other);
    return [{ id: own.id, unit: own.unit, before: own, after: other, differs }];
  });
  const times = differences.filter(({ unit }) => unit === "ms");
  return {
    lab: before.lab,
    before: before.device,
    after: after.device,
    differences,
    unmatched: [
      ...before.figures.filter(({ id }) => !others.has(id)).map(({ id }) => id),
      ...after.figures.filter(({ id }) => !known.has(id)).map(({ id }) => id),
    ],
    timeRatio: median(times.map(({ before: a, after: b }) => b.value / a.value)),
  };
}

/** With room for what decimal fractions lose: equal figures of different engines may differ in their last digit. */
function isWithin(value: number, { low, high }: LabFigure): boolean {
  const slack = 1e-9 * Math.abs(value);
  return value >= low - slack && value <= high + slack;
}

/** The sentence that a diff comes down to. */
export function diffSummary({ differences, timeRatio }: LabDiff): string {
  const different = differences.filter(({ differs }) => differs).length;
  const time = Number.isFinite(timeRatio) ? ` Times are ${ratio(timeRatio)} times as long in the median.` : "";
  return `${different} of ${differences.length} figures differ by more than runs of one device do (${percent(differences.length === 0 ? 0 : different / differences.length)}).${time}`;
}

/** What differs, as a table: the most different figures first. */
export function diffTable({ differences }: LabDiff): PagePart {
  const distance = ({ before, after }: FigureDifference) =>
    before.value > 0 && after.value > 0
      ? Math.abs(Math.log(after.value / before.value))
      : Math.abs(after.value - before.value);
  const range = ({ value, low, high }: LabFigure) => `${number(value)} (${number(low)}–${number(high)})`;
  return {
    kind: "table",
    columns: [
      { title: "figure" },
      { title: "unit" },
      { title: "before", align: "right" },
      { title: "after", align: "right" },
      { title: "after / before", align: "right" },
    ],
    rows: differences
      .filter(({ differs }) => differs)
      .toSorted((a, b) => distance(b) - distance(a))
      .map(({ id, unit, before, after }) => [id, unit, range(before), range(after), ratio(after.value / before.value)]),
  };
}

/** A diff as a page. */
export function diffPage(diff: LabDiff): string {
  const positive = diff.differences.filter(
    ({ unit, before, after }) => unit === "ms" && before.value > 0 && after.value > 0,
  );
  const plot: PagePart = {
    kind: "figure",
    draw: (width) =>
      drawPlot({
        title: "Every time, before and after",
        width,
        x: { label: "milliseconds before", kind: "log" },
        y: { label: "milliseconds after", kind: "log" },
        series: [false, true].map((differs) => ({
          name: differs ? "differ" : "agree",
          kind: differs ? ("points" as const) : ("rings" as const),
          points: positive
            .filter((each) => each.differs === differs)
            .map(({ id, before, after }) => ({ x: before.value, y: after.value, title: id })),
        })),
      }),
  };
  const fact = (device: LabDiff["before"]) => `${device.processor}, ${device.engine}, Depthwise ${device.version}`;
  return writePage({
    title: `Two devices in the lab: ${diff.lab}`,
    lead: diffSummary(diff),
    facts: [
      ["before", fact(diff.before)],
      ["after", fact(diff.after)],
    ],
    sections: [{ heading: "What differs", parts: [...(positive.length > 0 ? [plot] : []), diffTable(diff)] }],
  });
}

/**
 * Reads a result that a lab wrote.
 *
 * @throws {FormatError} if the text is not one
 */
export function parseLabResult(text: string, file: string): LabResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${file}: expected the JSON of a lab, but it is no JSON.`, { file, cause });
  }
  const result = value as Partial<LabResult> | null;
  const isResult =
    typeof result === "object" &&
    result !== null &&
    result.format === 1 &&
    labNames.some((name) => name === result.lab) &&
    typeof result.device === "object" &&
    Array.isArray(result.figures) &&
    result.figures.every(isFigure);
  if (!isResult)
    throw new FormatError(`${file}: expected the JSON of a lab, as \`depthwise lab NAME --json\` prints it.`, { file });
  // JSON has no infinity: the open interval of a single session comes back as null.
  const figures = (result as LabResult).figures.map((each) => ({
    ...each,
    low: each.low ?? Number.NEGATIVE_INFINITY,
    high: each.high ?? Number.POSITIVE_INFINITY,
  }));
  return { ...(result as LabResult), figures };
}

function isFigure(value: unknown): value is LabFigure {
  const each = value as Partial<LabFigure> | null;
  return typeof each === "object" && each !== null && typeof each.id === "string" && typeof each.value === "number";
}
