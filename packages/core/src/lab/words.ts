import type { Estimate } from "./statistics.ts";

/** How reports say numbers. */

/** Three significant digits, whole numbers from 100 on. */
export function number(value: number): string {
  const magnitude = Math.abs(value);
  if (!Number.isFinite(value)) return "–";
  if (magnitude >= 99.95) return value.toFixed(0);
  if (magnitude >= 9.995) return value.toFixed(1);
  return value.toFixed(magnitude >= 0.9995 || value === 0 ? 2 : 3);
}

/** `0.83`. */
export function ratio(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : "–";
}

/** `0.83 (0.81–0.85)`. */
export function ratioRange({ value, low, high }: Estimate): string {
  return `${ratio(value)} (${ratio(low)}–${ratio(high)})`;
}

/** `12.5 (12.1–13.0)`. */
export function numberRange({ value, low, high }: Estimate): string {
  return `${number(value)} (${number(low)}–${number(high)})`;
}

/** `12.3 %`. */
export function percent(share: number): string {
  if (share === 0) return "0 %";
  return `${(100 * share).toFixed(Math.abs(share) >= 0.0995 ? 0 : 1)} %`;
}

/** `1.23 M`. */
export function count(value: number): string {
  if (value >= 999.5e6) return `${number(value / 1e9)} G`;
  if (value >= 999.5e3) return `${number(value / 1e6)} M`;
  return value >= 999.5 ? `${number(value / 1e3)} k` : String(Math.round(value));
}

/** `a, b and c`. */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
