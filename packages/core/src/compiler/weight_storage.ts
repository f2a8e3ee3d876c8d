import type { FunctionBuilder } from "../wasm/function_builder.ts";
import { f32x4, i16x8, i32, i32x4, memory, v128 } from "../wasm/instructions.ts";
import type { ModuleBuilder } from "../wasm/module_builder.ts";
import type { FunctionHandle } from "../wasm/tree.ts";
import type { Local, V128 } from "../wasm/value_types.ts";
import { FLOAT, LANES } from "./layout.ts";
import type { Constant, Panels } from "./plan.ts";

/**
 * How a module holds its weights until `initialize` puts them in place; kernels read float32 whatever the type.
 *
 * - `f32`: as they are.
 * - `f16`: half precision, rounded to the nearest.
 * - `int8`: whole numbers of −127 to 127, with a float32 scale for each output channel.
 *
 * Biases and tables are float32 in each of them.
 */
export type WeightType = "f32" | "f16" | "int8";

/** All of them, for messages and validation. */
export const weightTypes: readonly WeightType[] = ["f32", "f16", "int8"];

/** One thing that `initialize` does: bytes at `from` become floats at `to`. All in the order of their addresses. */
type Move = { readonly from: number; readonly to: number } & (
  | { readonly kind: "copy"; readonly bytes: number }
  | { readonly kind: "decode"; readonly type: "f16" | "int8"; readonly panels: Panels }
);

/** The weights as they travel, and how they get in place. */
export interface StoredWeights {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * Where in memory they go before `initialize` runs: at the end of the constants' room, so that they can be decoded in place. Each piece
   * is at most as long as what becomes of it, so writing never overtakes reading.
   */
  readonly offset: number;
  readonly moves: readonly Move[];
}

/**
 * Plans how weights are stored. Constants that are no weights, do not get shorter, or hold what the type cannot (infinities, and more
 * than 65504 in half precision) stay as they are.
 *
 * @param image the constants' room as the kernels want it
 * @param start the room's address
 */
export function storeWeights(
  image: Uint8Array<ArrayBuffer>,
  start: number,
  constants: ReadonlyMap<Constant, number>,
  type: WeightType,
): StoredWeights {
  if (type === "f32") return { bytes: image, offset: start, moves: [] };
  const pieces = [...constants].flatMap(([constant, to]) => {
    const floats = new Float32Array(image.buffer, image.byteOffset + to - start, Math.ceil(constant.bytes / FLOAT));
    return piecesOf(constant, to, floats, type);
  });
  const length = pieces.reduce((sum, { stored }) => sum + stored.length, 0);
  const offset = start + image.length - length;
  const bytes = new Uint8Array(length);
  let at = 0;
  const moves = pieces.map(({ stored, move }): Move => {
    bytes.set(stored, at);
    at += stored.length;
    return { ...move, from: offset + at - stored.length };
  });
  return { bytes, offset, moves };
}

interface Piece {
  readonly stored: Uint8Array;
  readonly move: Move;
}

function piecesOf(
  { holds, panels }: Constant,
  to: number,
  floats: Float32Array,
  type: "f16" | "int8",
): readonly Piece[] {
  const most = type === "f16" ? LARGEST_HALF : Number.MAX_VALUE;
  const fits = floats.every((value) => Math.abs(value) < most);
  if (holds !== "weights" || panels === undefined || !fits || panels.some((each) => !getsShorter(each, type))) {
    const stored = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
    return [{ stored, move: { kind: "copy", from: 0, to, bytes: stored.length } }];
  }
  let at = 0;
  return panels.map((each) => {
    const first = at;
    at += each.count * each.rows * each.lanes;
    const stored = encodePanels(floats.subarray(first, at), each, type);
    return { stored, move: { kind: "decode", type, from: 0, to: to + first * FLOAT, panels: each } };
  });
}

/** Bytes of one panel as it is stored: the biases, for int8 the scales, then the weights. */
function storedBytes({ rows, lanes }: Panels, type: "f16" | "int8"): number {
  return type === "f16" ? lanes * (FLOAT + 2 * (rows - 1)) : lanes * (2 * FLOAT + (rows - 1));
}

function getsShorter(panels: Panels, type: "f16" | "int8"): boolean {
  return storedBytes(panels, type) < panels.rows * panels.lanes * FLOAT;
}

function encodePanels(floats: Float32Array, panels: Panels, type: "f16" | "int8"): Uint8Array {
  const { count, rows, lanes } = panels;
  const each = storedBytes(panels, type);
  const stored = new Uint8Array(count * each);
  for (let panel = 0; panel < count; panel++) {
    const [bias, weights] = splitPanel(floats.subarray(panel * rows * lanes, (panel + 1) * rows * lanes), lanes);
    const head = new Float32Array(stored.buffer, panel * each, type === "f16" ? lanes : 2 * lanes);
    const body = panel * each + head.byteLength;
    head.set(bias);
    if (type === "f16") new Uint16Array(stored.buffer, body, weights.length).set(Uint16Array.from(weights, halfBits));
    else encodeBytes(weights, head.subarray(lanes), new Int8Array(stored.buffer, body, weights.length));
  }
  return stored;
}

function splitPanel(panel: Float32Array, lanes: number): readonly [bias: Float32Array, weights: Float32Array] {
  return [panel.subarray(0, lanes), panel.subarray(lanes)];
}

/** The largest whole number of int8 storage: symmetrical, so that zero is a whole number and no sign is favoured. */
const MOST_BYTE = 127;

/** Fills in the lanes' scales, and each weight as a whole number of its lane's scale. */
function encodeBytes(weights: Float32Array, scales: Float32Array, bytes: Int8Array): void {
  const lanes = scales.length;
  for (let i = 0; i < weights.length; i++) {
    scales[i % lanes] = Math.max(scales[i % lanes]!, Math.abs(weights[i]!) / MOST_BYTE);
  }
  // A scale may have been rounded down: what would be 127.00001 is 127.
  for (let i = 0; i < weights.length; i++) {
    const scale = scales[i % lanes]!;
    const whole = scale === 0 ? 0 : Math.round(weights[i]! / scale);
    bytes[i] = Math.max(-MOST_BYTE, Math.min(MOST_BYTE, whole));
  }
}

/** From here on numbers round to infinity in half precision. */
const LARGEST_HALF = 65520;

const float = new Float32Array(1);
const bitsOfFloat = new Uint32Array(float.buffer);

/** A float32 below 65520 in magnitude as half precision, ties to even. */
export function halfBits(value: number): number {
  float[0] = value;
  const bits = bitsOfFloat[0]! & 0x7fff_ffff;
  const sign = (bitsOfFloat[0]! >>> 16) & 0x8000;
  // Below the smallest normal half: multiples of 2^-24. Adding and subtracting 2^23 rounds to whole numbers, ties to even.
  if (bits < 0x3880_0000) return sign | (Math.fround(Math.abs(float[0]!) * 2 ** 24 + 2 ** 23) - 2 ** 23);
  const rounded = bits + 0xfff + ((bits >>> 13) & 1);
  return sign | ((rounded - 0x3800_0000) >>> 13);
}

/** Writes what `initialize` does once the stored bytes are at their offset. */
export function emitDecoding(module: ModuleBuilder, moves: readonly Move[]): (f: FunctionBuilder) => void {
  const decoders = new Map<string, FunctionHandle>();
  const decoderFor = (type: "f16" | "int8", lanes: number): FunctionHandle => {
    const name = `decode_${type}_${lanes}`;
    const decoder = decoders.get(name) ?? emitDecoder(module, name, type, lanes / LANES);
    decoders.set(name, decoder);
    return decoder;
  };
  const steps = moves.map((move) => {
    const [from, to] = [i32.const(move.from), i32.const(move.to)];
    if (move.kind === "copy") return (f: FunctionBuilder) => f.do(memory.copy(to, from, i32.const(move.bytes)));
    const { count, rows, lanes } = move.panels;
    const decoder = decoderFor(move.type, lanes);
    return (f: FunctionBuilder) => f.invoke(decoder, [from, to, i32.const(count), i32.const(rows - 1)]);
  });
  return (f) => {
    for (const step of steps) step(f);
  };
}

/**
 * `decode(from, to, panels, rows)`: panels of `vectors` vectors a row. What is written may lie over what was read, so a panel's scales
 * wait in locals.
 */
function emitDecoder(module: ModuleBuilder, name: string, type: "f16" | "int8", vectors: number): FunctionHandle {
  const params = { from: "i32", to: "i32", panels: "i32", rows: "i32" } as const;
  const stepBytes = type === "f16" ? 2 * LANES : LANES;
  return module.function(name, { params, results: [] }, (f, { from, to, panels, rows }) => {
    const loadRow = (what: string, first: number) =>
      Array.from({ length: vectors }, (_, v) => f.let(`${what}${v}`, v128.load(from, { offset: 16 * (first + v) })));
    f.repeat({ name: "panel", from: 0, to: panels, step: 1 }, () => {
      const bias = loadRow("bias", 0);
      const scales = type === "int8" ? loadRow("scale", vectors) : [];
      bias.forEach((value, v) => {
        f.do(v128.store(to, value, { offset: 16 * v }));
      });
      f.set(from, i32.add(from, 16 * (bias.length + scales.length)));
      f.set(to, i32.add(to, 16 * vectors));
      f.repeat({ name: "row", from: 0, to: rows, step: 1 }, () => {
        for (let v = 0; v < vectors; v++) {
          const value =
            type === "f16" ? loadHalves(f, from, v * stepBytes) : loadBytes(from, v * stepBytes, scales[v]!);
          f.do(v128.store(to, value, { offset: 16 * v }));
        }
        f.set(from, i32.add(from, vectors * stepBytes));
        f.set(to, i32.add(to, 16 * vectors));
      });
    });
  });
}

/** Four halves as floats: exponent and fraction moved to a float's place are 2^112 times too small, subnormal numbers too. */
function loadHalves(f: FunctionBuilder, from: Local<"i32">, offset: number): V128 {
  const bits = f.let("bits", v128.load16x4_s(from, { offset }));
  const small = i32x4.shl(v128.and(bits, i32x4.const(0x7fff, 0x7fff, 0x7fff, 0x7fff)), 13);
  const factor = 2 ** 112;
  const magnitude = f32x4.mul(small, f32x4.const(factor, factor, factor, factor));
  const signBit = -0x8000_0000;
  return v128.or(magnitude, v128.and(bits, i32x4.const(signBit, signBit, signBit, signBit)));
}

function loadBytes(from: Local<"i32">, offset: number, scale: Local<"v128">): V128 {
  const bytes = v128.load32_zero(from, { offset });
  const whole = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes));
  return f32x4.mul(f32x4.convert_i32x4_s(whole), scale);
}
