import type { Graph } from "../graph/graph.ts";
import { bandedStep } from "./bands.ts";
import { type CompiledSubject, type CompileOptions, planNetwork } from "./compile.ts";
import { emit } from "./emit.ts";
import type { Lowered } from "./lower.ts";
import type { Step, TileChoice } from "./plan.ts";
import { blockKey, plannedBlocks, rowChoices } from "./plan_bands.ts";
import type { Target } from "./target.ts";
import type { MeasuredBands, Tile, Tuning } from "./tuning.ts";

/** Options of `tune`. */
export interface TuneOptions extends Pick<CompileOptions, "weights" | "seed" | "simd" | "wide"> {
  /** Choices known already: they are kept, and what they hold is not measured again. */
  readonly known?: Tuning | undefined;
  /** Hears of the work: `done` of `total` choices, as far as they are known, and what is measured next. */
  readonly onProgress?: ((done: number, total: number, what: string) => void) | undefined;
}

/** Another choice must be faster than the model's by this share, or it may be noise. */
const LEAST_GAIN = 0.02;
/** Turns of each variant. */
const ROUNDS = 15;
/** Engines optimise a function after some calls and some milliseconds. */
const WARM_UP_MS = 40;
/** A turn is repeated until it takes this long, against the clock's grain. */
const LEAST_TURN_MS = 0.4;
/** Measuring a block may make another one look best, which is measured then. It comes to rest by itself, after 43 blocks for MobileNet V2. */
const MOST_PLANS = 30;

/**
 * Measures on this machine what the compiler otherwise decides by a model: the tile of every matrix product, and which blocks run in
 * bands of how many rows. Each variant is a module of those steps alone; variants of a choice run in turns.
 *
 * @returns the choices, with those of `known`; for `compile`'s `tuning`
 * @throws what `compile` throws
 */
export async function tune(network: CompiledSubject | Graph, options: TuneOptions = {}): Promise<Tuning> {
  const { known = { tiles: {}, bands: {} }, onProgress = () => {}, ...compileOptions } = options;
  const lower = (tuning: Tuning) => planNetwork(network, { ...compileOptions, tuning, bands: false });
  const tiles = await tuneTiles(lower, known, onProgress);
  const bands = await tuneBands(lower({ ...known, tiles }), { ...known, tiles }, onProgress);
  return { tiles, bands };
}

type Progress = NonNullable<TuneOptions["onProgress"]>;
type Plan = ReturnType<typeof planNetwork>;

/** The best tile of each shape that is not known yet. */
async function tuneTiles(
  lower: (tuning: Tuning) => Plan,
  known: Tuning,
  onProgress: Progress,
): Promise<Tuning["tiles"]> {
  const { lowered, target } = lower(known);
  const shapes = new Map<string, TileChoice & { readonly step: number }>();
  lowered.steps.forEach(({ calls }, step) => {
    for (const { choice } of calls) {
      if (choice && !known.tiles[choice.key] && !shapes.has(choice.key)) shapes.set(choice.key, { ...choice, step });
    }
  });
  // All shapes' first candidates make one plan, their second ones the next.
  const most = Math.max(0, ...[...shapes.values()].map(({ others }) => others.length));
  const plans = Array.from({ length: most }, (_, i) => {
    const chosen = [...shapes].flatMap(([key, { others }]) => (others[i] ? [[key, others[i]] as const] : []));
    return lower({ ...known, tiles: { ...known.tiles, ...Object.fromEntries(chosen) } }).lowered;
  });
  const tiles: Record<string, Tile> = { ...known.tiles };
  let done = 0;
  for (const [key, { step, tile, others }] of shapes) {
    const modelled = lowered.steps[step] as Step;
    onProgress(done++, shapes.size, `tiles of ${modelled.name}`);
    await breathe();
    const variants = others.map((value, i) => ({ value, steps: [plans[i]?.steps[step] as Step] }));
    tiles[key] = (await findFaster({ lowered, target }, [modelled], variants))?.value ?? tile;
  }
  return tiles;
}

/** Rows for every block that the planner chooses, measured ones considered, until it chooses no other ones. */
async function tuneBands({ lowered, target }: Plan, known: Tuning, onProgress: Progress): Promise<Tuning["bands"]> {
  const bands: Record<string, MeasuredBands> = { ...known.bands };
  let done = 0;
  for (let round = 0; round < MOST_PLANS; round++) {
    const chosen = plannedBlocks(lowered, { ...target, tuning: { ...known, bands } });
    const blocks = new Map(chosen.map(({ block }) => [blockKey(block, target.threads), block]));
    const unknown = [...blocks].filter(([key]) => bands[key] === undefined);
    if (unknown.length === 0) break;
    for (const [key, block] of unknown) {
      await breathe();
      onProgress(done++, done + unknown.length - 1, `bands of ${block.steps[0]?.name}`);
      const rows = sampled(rowChoices(block, target.threads));
      const variants = rows.map((count) => ({ value: count, steps: [bandedStep(block, count, target.threads)] }));
      const winner = await findFaster({ lowered, target }, block.steps, variants);
      bands[key] = { rows: winner?.value ?? 0, saved: Math.round((winner?.saved ?? 0) * 1e6) };
    }
  }
  return bands;
}

/** At most six of many numbers, evenly spread by their ratios. */
function sampled(rows: readonly number[]): readonly number[] {
  return rows.filter((count) => [1, 2, 3, 4, 6, 9, 12, 16].includes(count)).slice(-6);
}

/** Lets others have the thread. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Another way to do the same steps. */
interface Variant<T> {
  readonly value: T;
  readonly steps: readonly Step[];
}

/** The fastest variant and the milliseconds that it saves, if it is faster than `usual` twice: in the race of all, and in one of the two. */
async function findFaster<T>(
  { lowered, target }: Plan,
  usual: readonly Step[],
  variants: readonly Variant<T>[],
): Promise<{ value: T; saved: number } | undefined> {
  const runs = [await runnable({ ...lowered, steps: usual }, target)];
  for (const { steps } of variants) runs.push(await runnable({ ...lowered, steps }, target));
  const [first, ...times] = race(runs) as [number, ...number[]];
  const best = times.indexOf(Math.min(...times));
  const isFaster = (time: number, than: number) => time < than * (1 - LEAST_GAIN);
  if (best < 0 || !isFaster(times[best] as number, first)) return undefined;
  const [again, time] = race([runs[0] as () => void, runs[best + 1] as () => void]) as [number, number];
  return isFaster(time, again) ? { value: (variants[best] as Variant<T>).value, saved: again - time } : undefined;
}

/** Milliseconds of variants that run in turns: the lower quartile, which other work on the machine disturbs least. */
function race(runs: readonly (() => void)[]): readonly number[] {
  const repeats = runs.map((run) => {
    const start = performance.now();
    let count = 0;
    for (; performance.now() - start < WARM_UP_MS || count < 3; count++) run();
    return Math.ceil((LEAST_TURN_MS * count) / (performance.now() - start));
  });
  const times = runs.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    const order = [...runs.keys()];
    for (const i of round % 2 === 0 ? order : order.reverse()) {
      const count = repeats[i] as number;
      const start = performance.now();
      for (let repeat = 0; repeat < count; repeat++) (runs[i] as () => void)();
      times[i]?.push((performance.now() - start) / count);
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[Math.floor(list.length / 4)] as number);
}

async function runnable(lowered: Lowered, target: Target): Promise<() => void> {
  const { bytes, manifest } = emit("tune", lowered, target, { names: false, storage: "f32", split: false });
  const memory = new WebAssembly.Memory({ initial: manifest.pages });
  const { exports } = await WebAssembly.instantiate(await WebAssembly.compile(bytes), { env: { memory } });
  const { initialize, run } = exports as { initialize(): void; run(thread: number, threads: number): void };
  initialize();
  return () => run(0, 1);
}
