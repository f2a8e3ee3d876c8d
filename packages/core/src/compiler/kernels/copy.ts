import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { Local } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Stride } from "./elementwise.ts";
import { laneMixer, type SourceLane } from "./lane_mixer.ts";

/** Rows of whole floats, each copied as a block. Units are rows. */
export interface RowCopySpec {
  readonly floats: number;
  readonly inputRowBytes: number;
  readonly outputRowBytes: number;
}

/** Parameters: `input`, `output`. */
export function rowCopyKernel(name: string, spec: RowCopySpec): Kernel {
  return {
    name,
    params: ["input", "output"],
    emit(f, p) {
      const { input, output, start, end } = p as Record<"input" | "output" | "start" | "end", Local<"i32">>;
      f.for({ name: "row", from: start, to: end, step: 1 }, (row) => {
        const from = f.let("from", i32.add(input, i32.mul(row, spec.inputRowBytes)));
        const to = f.let("to", i32.add(output, i32.mul(row, spec.outputRowBytes)));
        copyFloats(f, from, to, spec.floats);
      });
    },
  };
}

/** Copies a known number of floats; moves both pointers. */
function copyFloats(f: FunctionBuilder, from: Local<"i32">, to: Local<"i32">, floats: number): void {
  const vectors = Math.floor(floats / LANES);
  if (vectors > 0) {
    f.repeat({ name: "vector", from: 0, to: vectors, step: 1 }, () => {
      f.do(v128.store(to, v128.load(from)));
      f.set(from, i32.add(from, LANES * FLOAT));
      f.set(to, i32.add(to, LANES * FLOAT));
    });
  }
  for (let i = 0; i < floats % LANES; i++)
    f.do(i32.store(to, i32.load(from, { offset: i * FLOAT }), { offset: i * FLOAT }));
}

/** Rows that are copied pixel by pixel. */
interface PixelwiseSpec {
  readonly width: number;
  readonly input: Stride;
  readonly output: Stride;
}

/** Single channels copied from anywhere to anywhere within each pixel. Units are rows. */
export interface ChannelCopySpec extends PixelwiseSpec {
  readonly channels: number;
}

/** Parameters: `input`, `output`, `table` (for each channel its distance in the input's pixel, then in the output's). */
export function channelCopyKernel(name: string, spec: ChannelCopySpec): Kernel {
  return {
    name,
    params: ["input", "output", "table"],
    emit(f, p) {
      const table = p["table"] as Local<"i32">;
      const at = f.local("at", "i32");
      eachPixel(f, p, spec, (from, to) => {
        f.set(at, table);
        f.repeat({ name: "channel", from: 0, to: spec.channels, step: 1 }, () => {
          const value = i32.load(i32.add(from, i32.load(at)));
          f.do(i32.store(i32.add(to, i32.load(at, { offset: FLOAT })), value));
          f.set(at, i32.add(at, 2 * FLOAT));
        });
      });
    },
  };
}

/** The rows of the call, pixel by pixel: where it is in the input and in the output. */
function eachPixel(
  f: FunctionBuilder,
  p: Readonly<Record<string, Local<"i32">>>,
  spec: PixelwiseSpec,
  body: (from: Local<"i32">, to: Local<"i32">) => void,
): void {
  const { input, output, start, end } = p as Record<"input" | "output" | "start" | "end", Local<"i32">>;
  const from = f.local("from", "i32");
  const to = f.local("to", "i32");
  f.for({ name: "row", from: start, to: end, step: 1 }, (row) => {
    f.set(from, i32.add(input, i32.mul(row, spec.input.rowBytes)));
    f.set(to, i32.add(output, i32.mul(row, spec.output.rowBytes)));
    f.repeat({ name: "column", from: 0, to: spec.width, step: 1 }, () => {
      body(from, to);
      f.set(from, i32.add(from, spec.input.pixelBytes));
      f.set(to, i32.add(to, spec.output.pixelBytes));
    });
  });
}

/** Four channels side by side in the output's pixel: where the first one is, and where each is in the input's, in bytes. */
export interface GatheredVector {
  readonly target: number;
  readonly sources: readonly number[];
}

/** Channels from anywhere within each pixel, four of them stored at once. Units are rows. */
export interface ChannelGatherSpec extends PixelwiseSpec {
  readonly vectors: readonly GatheredVector[];
}

/**
 * Parameters: `input`, `output`. Each pixel's vectors are written out one after another; those whose channels come from the same vectors of
 * the input share its loads.
 */
export function channelGatherKernel(name: string, spec: ChannelGatherSpec): Kernel {
  return {
    name,
    params: ["input", "output"],
    emit(f, p) {
      const mixer = laneMixer(f);
      const groups = vectorsByWindows(spec);
      eachPixel(f, p, spec, (from, to) => {
        for (const { windows, vectors } of groups) {
          mixer.load(windows.map((offset) => v128.load(from, { offset })));
          for (const { target, lanes } of vectors) f.do(v128.store(to, mixer.mix(lanes), { offset: target }));
        }
      });
    },
  };
}

/** Vectors of the output that read the same vectors of the input. */
interface WindowGroup {
  /** Where the input's vectors begin in its pixel, in bytes: at most four. */
  readonly windows: readonly number[];
  readonly vectors: readonly { readonly target: number; readonly lanes: readonly SourceLane[] }[];
}

function vectorsByWindows({ vectors }: ChannelGatherSpec): readonly WindowGroup[] {
  // The last one may reach beyond the pixel, and the buffer: memory has a vector's room behind it.
  const windowOf = (source: number) => source - (source % (LANES * FLOAT));
  const groups = new Map<string, { windows: number[]; vectors: WindowGroup["vectors"][number][] }>();
  for (const { target, sources } of vectors) {
    const windows = [...new Set(sources.map(windowOf))].sort((a, b) => a - b);
    const group = groups.get(windows.join()) ?? { windows, vectors: [] };
    groups.set(windows.join(), group);
    const lanes = sources.map((source) => {
      const window = windowOf(source);
      return { window: windows.indexOf(window), lane: (source - window) / FLOAT };
    });
    group.vectors.push({ target, lanes });
  }
  return [...groups.values()];
}

/** A buffer's border, or all of it, set to one value. Its one unit is the whole. */
export interface FillSpec {
  readonly value: number;
  readonly rowBytes: number;
  readonly rows: number;
  /** Rows at the top and bottom that are filled whole. */
  readonly top: number;
  readonly bottom: number;
  /** Bytes at either end of the rows between. */
  readonly leftBytes: number;
  readonly rightBytes: number;
}

/** Parameters: `output`, the buffer's first byte. */
export function fillKernel(name: string, spec: FillSpec): Kernel {
  return {
    name,
    params: ["output"],
    emit(f, p) {
      const { output, start, end } = p as Record<"output" | "start" | "end", Local<"i32">>;
      const { top, bottom, rows, rowBytes, leftBytes, rightBytes } = spec;
      const value = f.let("value", f32x4.splat(spec.value));
      const at = f.local("at", "i32");
      const fill = (bytes: number) => {
        if (bytes === 0) return;
        const vectors = Math.floor(bytes / (LANES * FLOAT));
        if (vectors > 0) {
          f.repeat({ name: "vector", from: 0, to: vectors, step: 1 }, () => {
            f.do(v128.store(at, value));
            f.set(at, i32.add(at, LANES * FLOAT));
          });
        }
        for (let i = 0; i < bytes % (LANES * FLOAT); i += FLOAT) {
          f.do(v128.store32_lane(at, value, 0));
          f.set(at, i32.add(at, FLOAT));
        }
      };
      f.if(i32.lt_s(start, end), () => {
        f.set(at, output);
        // A row's right border and the next row's left one are neighbours in memory.
        fill(top * rowBytes + leftBytes);
        const inner = rowBytes - leftBytes - rightBytes;
        if (rows - top - bottom > 1 && leftBytes + rightBytes > 0) {
          f.repeat({ name: "row", from: 1, to: rows - top - bottom, step: 1 }, () => {
            f.set(at, i32.add(at, inner));
            fill(leftBytes + rightBytes);
          });
          f.set(at, i32.add(at, inner));
        } else f.set(at, i32.add(at, (rows - top - bottom) * rowBytes - leftBytes - rightBytes));
        fill(bottom * rowBytes + rightBytes);
      });
    },
  };
}
