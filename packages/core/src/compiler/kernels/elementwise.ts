import type { Activation } from "../../graph/operations.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32x4, i32, v128 } from "../../wasm/instructions.ts";
import type { Local, V128 } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Target } from "../target.ts";
import { activate, activationConstants } from "./simd.ts";

/** One operand's distances. A pixel distance of 0 reads the same pixel for all: a scale for each channel. */
export interface Stride {
  readonly pixelBytes: number;
  readonly rowBytes: number;
}

/** activation(a ∘ b), vector by vector in the order of a and of the output. Units are rows. */
export interface ElementwiseSpec {
  readonly operation: "add" | "multiply" | "none";
  readonly activation: Activation;
  readonly width: number;
  readonly vectors: number;
  readonly operands: readonly Stride[];
  /** Whether b lies in another order: a table then holds, for each float of the output's pixel, its distance in b's pixel. */
  readonly isGathered: boolean;
  readonly output: Stride;
}

/** The kernel of a spec. Parameters: `operand0`, `operand1` where there is one, `output`, `table` where b is gathered. */
export function elementwiseKernel(name: string, spec: ElementwiseSpec, target: Target): Kernel {
  const names = spec.operands.map((_, i) => `operand${i}`);
  return {
    name,
    params: [...names, "output", ...(spec.isGathered ? ["table"] : [])],
    emit(f, p) {
      const constants = activationConstants(f, [spec.activation]);
      const strides = [...spec.operands, spec.output];
      const bases = [...names, "output"].map((param) => p[param] as Local<"i32">);
      const cursors = bases.map((_, i) => f.local(`at${i}`, "i32"));
      const entry = spec.isGathered ? f.local("entry", "i32") : undefined;
      f.for({ name: "row", from: p["start"] as Local<"i32">, to: p["end"] as Local<"i32">, step: 1 }, (row) => {
        f.repeat({ name: "column", from: 0, to: spec.width, step: 1 }, (column) => {
          cursors.forEach((cursor, i) => {
            const { pixelBytes, rowBytes } = strides[i] as Stride;
            const offset = i32.add(i32.mul(row, rowBytes), i32.mul(column, pixelBytes));
            f.set(cursor, i32.add(bases[i] as Local<"i32">, offset));
          });
          if (entry) f.set(entry, p["table"] as Local<"i32">);
          f.repeat({ name: "vector", from: 0, to: spec.vectors, step: 1 }, () => {
            const [a, b] = cursors.slice(0, -1) as [Local<"i32">, Local<"i32">?];
            let value = v128.load(a);
            if (b) {
              const other = entry ? gather(b, entry) : v128.load(b);
              value = spec.operation === "add" ? f32x4.add(value, other) : f32x4.mul(value, other);
            }
            const result = activate(f, target, spec.activation, value, constants);
            f.do(v128.store(cursors.at(-1) as Local<"i32">, result));
            // A gathered operand stays at its pixel: the table moves on instead.
            const moving = entry ? [a, cursors.at(-1) as Local<"i32">, entry] : cursors;
            for (const cursor of moving) f.set(cursor, i32.add(cursor, LANES * FLOAT));
          });
        });
      });
    },
  };
}

/** Four floats of a pixel as a vector, each at the distance that the table's next entries hold. */
function gather(pixel: Local<"i32">, entry: Local<"i32">): V128 {
  const place = (lane: number) => i32.add(pixel, i32.load(entry, { offset: lane * FLOAT }));
  let vector = v128.load32_zero(place(0));
  for (let lane = 1; lane < LANES; lane++) vector = v128.load32_lane(place(lane), vector, lane);
  return vector;
}

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

/** Single channels copied from anywhere to anywhere within each pixel. Units are rows. */
export interface ChannelCopySpec {
  readonly width: number;
  readonly channels: number;
  readonly input: Stride;
  readonly output: Stride;
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
  spec: ChannelCopySpec,
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

/** Channels from anywhere within each pixel, side by side into another: at least a vector of them. Units are rows. */
export interface ChannelGatherSpec extends ChannelCopySpec {
  /** Bytes of the first one in the output's pixel. */
  readonly firstBytes: number;
}

/**
 * Parameters: `input`, `output`, `table` (for each channel its distance in the input's pixel). Four are put together and stored at once; the
 * last vector is moved back to end with the last channel.
 */
export function channelGatherKernel(name: string, spec: ChannelGatherSpec): Kernel {
  const { channels, firstBytes } = spec;
  const whole = Math.floor(channels / LANES);
  return {
    name,
    params: ["input", "output", "table"],
    emit(f, p) {
      const table = p["table"] as Local<"i32">;
      const at = f.local("at", "i32");
      const into = f.local("into", "i32");
      eachPixel(f, p, spec, (from, to) => {
        const gather = (entries: Local<"i32">, entriesOffset: number, target: Local<"i32">, targetOffset: number) => {
          const address = (lane: number) => i32.add(from, i32.load(entries, { offset: entriesOffset + lane * FLOAT }));
          let value = v128.load32_zero(address(0));
          for (let lane = 1; lane < LANES; lane++) value = v128.load32_lane(address(lane), value, lane);
          f.do(v128.store(target, value, { offset: targetOffset }));
        };
        f.set(at, table);
        f.set(into, to);
        f.repeat({ name: "vector", from: 0, to: whole, step: 1 }, () => {
          gather(at, 0, into, firstBytes);
          f.set(at, i32.add(at, LANES * FLOAT));
          f.set(into, i32.add(into, LANES * FLOAT));
        });
        const last = (channels - LANES) * FLOAT;
        if (channels % LANES > 0) gather(table, last, to, firstBytes + last);
      });
    },
  };
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
