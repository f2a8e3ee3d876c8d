import type { Paint } from "./table.ts";

/** Colours of what goes to one stream: none unless it is a terminal, and none under `NO_COLOR` (https://no-color.org). */
export interface Palette {
  readonly bold: Paint;
  readonly dim: Paint;
}

/** The palette of stdout or stderr. */
export function paletteOf(stream: NodeJS.WriteStream): Palette {
  const isColoured = stream.isTTY === true && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb";
  const paint = (code: number): Paint => (isColoured ? (text) => `\x1b[${code}m${text}\x1b[0m` : (text) => text);
  return { bold: paint(1), dim: paint(2) };
}

/** Prints the result: the only thing that stdout carries. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints a result for programs: one JSON document. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Tells the person at the terminal; not part of the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
