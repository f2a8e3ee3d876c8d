/** A tile of a matrix product: `rows` pixels by `vectors` times four channels. */
export interface Tile {
  readonly rows: number;
  readonly vectors: number;
}

/** What bands were worth for a block of steps. */
export interface MeasuredBands {
  /** Rows of the output in a band; 0 where nothing was faster than whole pictures. */
  readonly rows: number;
  /** Nanoseconds that a run took less than with whole pictures. */
  readonly saved: number;
}

/**
 * Choices that `tune` measured on one machine and engine, by shape: they hold for every network with layers of that shape. Plain JSON, to
 * be kept. Shapes that are not in it are compiled as without tuning.
 */
export interface Tuning {
  readonly tiles: Readonly<Record<string, Tile>>;
  readonly bands: Readonly<Record<string, MeasuredBands>>;
}

/** The choices of both; where both have one, the newer counts. */
export function mergeTunings(older: Tuning, newer: Tuning): Tuning {
  return { tiles: { ...older.tiles, ...newer.tiles }, bands: { ...older.bands, ...newer.bands } };
}
