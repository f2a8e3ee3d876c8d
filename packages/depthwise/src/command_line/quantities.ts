/** A number and its unit, for people: three significant digits or so, one blank between. */

/** 1,234,567 as `1.23 M`; below a thousand as it is. Counts of parameters and multiply-accumulates. */
export function count(value: number): string {
  return scaled(value, ["", " k", " M", " G", " T"]);
}

/** Bytes, in powers of ten: `14.0 MB`. */
export function bytes(value: number): string {
  return scaled(value, [" B", " kB", " MB", " GB", " TB"]);
}

/** Milliseconds: `21.4 ms`, `0.083 ms`; from ten seconds on in seconds. */
export function milliseconds(value: number): string {
  return value < 10_000 ? `${significant(value)} ms` : `${significant(value / 1000)} s`;
}

/** A share of 1 as percent, one digit after the point. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Three significant digits, whole numbers from 100 on. */
export function significant(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 99.95) return value.toFixed(0);
  if (magnitude >= 9.995) return value.toFixed(1);
  return magnitude >= 0.9995 ? value.toFixed(2) : value.toFixed(3);
}

function scaled(value: number, units: readonly string[]): string {
  let step = 0;
  let rest = value;
  // 999.5 would be printed as 1000.
  while (Math.abs(rest) >= 999.5 && step < units.length - 1) {
    rest /= 1000;
    step++;
  }
  const digits = step === 0 ? String(Math.round(rest)) : significant(rest);
  return `${digits}${units[step]}`;
}
