import { OptionError } from "../errors.ts";

/** One axis of a plot. */
export interface Axis {
  /** What it shows, with its unit: `milliseconds`. */
  readonly label: string;
  /** Default `linear`. `log` needs positive values. */
  readonly kind?: "linear" | "log";
  /** Smallest and largest value shown. Default: of the data, widened to round numbers. */
  readonly range?: readonly [low: number, high: number];
  /** Whether the axis begins at 0. Default false. Of linear axes. */
  readonly fromZero?: boolean;
  /** Where labelled ticks stand. Default: round numbers. */
  readonly ticks?: readonly number[];
  /** A value as a tick says it. Default: three digits at most, thousands as k, M, G. */
  readonly format?: (value: number) => string;
}

/** From values to pixels along one axis. */
export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

/**
 * The scale of an axis.
 *
 * @param values everything to be shown
 * @param pixels where the low end and the high end stand
 * @param mostTicks about how many labelled ticks fit
 * @throws {OptionError} for a logarithmic axis with values that are not positive
 */
export function scaleOf(
  axis: Axis,
  values: readonly number[],
  pixels: readonly [number, number],
  mostTicks: number,
): Scale {
  const finite = values.filter(Number.isFinite);
  const isLog = axis.kind === "log";
  if (isLog && [...finite, ...(axis.range ?? [])].some((value) => value <= 0))
    throw new OptionError(`Axis "${axis.label}": a logarithmic axis needs values above 0.`);
  const zero = axis.fromZero === true && !isLog ? [0] : [];
  const [low, high] = axis.range ?? widened(extent([...finite, ...zero], isLog), isLog, zero.length > 0);
  const ticks = axis.ticks ?? (isLog ? logTicks(low, high, mostTicks) : linearTicks(low, high, mostTicks));
  const [from, to] = isLog ? [Math.log(low), Math.log(high)] : [low, high];
  const span = to - from || 1;
  const format = axis.format ?? shortNumber;
  return {
    at: (value) => pixels[0] + (((isLog ? Math.log(value) : value) - from) / span) * (pixels[1] - pixels[0]),
    ticks: ticks.map((value) => ({ value, label: format(value) })),
  };
}

function extent(values: readonly number[], isLog: boolean): readonly [number, number] {
  if (values.length === 0) return isLog ? [1, 10] : [0, 1];
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (low < high) return [low, high];
  if (isLog) return [low / 2, high * 2];
  const around = Math.abs(low) / 2 || 1;
  return [low - around, high + around];
}

/** A little room on both sides, so that no point lies on the frame. */
function widened([low, high]: readonly [number, number], isLog: boolean, fromZero: boolean): readonly [number, number] {
  const room = 0.05;
  if (isLog) return [low * (low / high) ** room, high * (high / low) ** room];
  const span = high - low;
  return [fromZero && low === 0 ? 0 : low - room * span, fromZero && high === 0 ? 0 : high + room * span];
}

/** Multiples of 1, 2 or 5 times a power of ten between `low` and `high`. */
export function linearTicks(low: number, high: number, most: number): readonly number[] {
  const rough = (high - low) / Math.max(most, 1);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  // Divided where the step is a fraction, so that 0.3 is not 0.30000000000000004.
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) =>
    step >= 1 ? (first + i) * step : (first + i) / Math.round(1 / step),
  );
}

/** 1, 2, 5, 10, 20, ... between `low` and `high`, thinned out until they fit; linear ticks where the range is less than one of them. */
export function logTicks(low: number, high: number, most: number): readonly number[] {
  const decades = Array.from(
    { length: Math.floor(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => Math.floor(Math.log10(low)) + i,
  );
  const among = (factors: readonly number[]) =>
    decades
      .flatMap((decade) => factors.map((factor) => (decade < 0 ? factor / 10 ** -decade : factor * 10 ** decade)))
      .filter((value) => value >= low * 0.9999 && value <= high * 1.0001);
  const fine = among([1, 2, 5]);
  if (fine.length < 3) return linearTicks(low, high, most).filter((value) => value > 0);
  if (fine.length <= most) return fine;
  const coarse = among([1]);
  if (coarse.length >= 2 || most < 3) return coarse;
  return among([1, 3]);
}

/** A number in few characters: `0.25`, `12.5`, `300`, `1.2k`, `3M`. */
export function shortNumber(value: number): string {
  const magnitude = Math.abs(value);
  const units = [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const;
  for (const [unit, letter] of units) if (magnitude >= unit * 0.9995) return `${threeDigits(value / unit)}${letter}`;
  return threeDigits(value);
}

function threeDigits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
