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
 * - `f16`: 16 bits a weight. Half precision for weights that are halves already, as in many checkpoints; else whole numbers of −32767 to
 *   32767 with a float32 scale for each output channel, which are some four times closer than halves.
 * - `int8`: whole numbers of −127 to 127 with a scale for each output channel.
 *
 * Kernels with few weights a channel (depthwise, the first convolution) are a small part of the bytes and the first to suffer: they get
 * twice the bits. Biases and tables are float32 in each type.
 */
export type WeightType = "f32" | "f16" | "int8";

/** All of them, for messages and validation. */
export const weightTypes: readonly WeightType[] = ["f32", "f16", "int8"];

/** How one kernel's weights are written: halves, or whole numbers and scales. */
type Encoding = "f16" | "int16" | "int8";

/** One thing that `initialize` does: bytes at `from` become floats at `to`. All in the order of their addresses. */
type Move = { readonly from: number; readonly to: number } & (
  | { readonly kind: "copy"; readonly bytes: number }
  | { readonly kind: "decode"; readonly encoding: Encoding; readonly panels: Panels }
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
  const encoding = holds === "weights" && panels ? encodingFor(panels, floats, type) : undefined;
  if (panels === undefined || encoding === undefined) {
    const stored = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
    return [{ stored, move: { kind: "copy", from: 0, to, bytes: stored.length } }];
  }
  let at = 0;
  return panels.map((each) => {
    const first = at;
    at += each.count * each.rows * each.lanes;
    const stored = encodePanels(floats.subarray(first, at), each, encoding);
    return { stored, move: { kind: "decode", encoding, from: 0, to: to + first * FLOAT, panels: each } };
  });
}

/**
 * Weights a channel below which a kernel gets twice the bits. Depthwise kernels have 9 or 25, first convolutions 27; in all they are 1 to
 * 3 % of a network's bytes. As int8, the depthwise kernels alone of MobileNet V1 0.25 change the best class of 21 photos in 100, all others
 * together 13 (weights of TensorFlow, photos of ImageNet; `weight_types.data.test.ts` of the command line measures what is left).
 */
const FEW_WEIGHTS = 32;

/** The encoding of a kernel's weights; undefined where they stay float32. */
function encodingFor(panels: readonly Panels[], floats: Float32Array, type: "f16" | "int8"): Encoding | undefined {
  const isSmall = panels.some(({ rows }) => rows - 1 < FEW_WEIGHTS);
  const weights = weightsOf(panels, floats);
  const in16Bits = weights.every(isHalf) ? "f16" : "int16";
  const encoding = type === "int8" && !isSmall ? "int8" : in16Bits;
  const fits = encoding === "f16" || weights.every(Number.isFinite);
  const staysExact = type === "f16" && isSmall && encoding !== "f16";
  if (!fits || staysExact || panels.some((each) => !getsShorter(each, encoding))) return undefined;
  return encoding;
}

/** The panels without their biases. */
function weightsOf(panels: readonly Panels[], floats: Float32Array): Float32Array {
  const weights = new Float32Array(panels.reduce((sum, { count, rows, lanes }) => sum + count * (rows - 1) * lanes, 0));
  let [from, to] = [0, 0];
  for (const { count, rows, lanes } of panels) {
    for (let panel = 0; panel < count; panel++, from += rows * lanes, to += (rows - 1) * lanes) {
      weights.set(floats.subarray(from + lanes, from + rows * lanes), to);
    }
  }
  return weights;
}

const bytesPerWeight: { readonly [E in Encoding]: number } = { f16: 2, int16: 2, int8: 1 };

/** Bytes of one panel as it is stored: the biases, the scales if there are any, then the weights. */
function storedBytes({ rows, lanes }: Panels, encoding: Encoding): number {
  return lanes * (headFloats(encoding) * FLOAT + bytesPerWeight[encoding] * (rows - 1));
}

function headFloats(encoding: Encoding): 1 | 2 {
  return encoding === "f16" ? 1 : 2;
}

function getsShorter(panels: Panels, encoding: Encoding): boolean {
  return storedBytes(panels, encoding) < panels.rows * panels.lanes * FLOAT;
}

function encodePanels(floats: Float32Array, panels: Panels, encoding: Encoding): Uint8Array {
  const { count, rows, lanes } = panels;
  const each = storedBytes(panels, encoding);
  const stored = new Uint8Array(count * each);
  for (let panel = 0; panel < count; panel++) {
    const first = panel * rows * lanes;
    const weights = floats.subarray(first + lanes, first + rows * lanes);
    const head = new Float32Array(stored.buffer, panel * each, headFloats(encoding) * lanes);
    head.set(floats.subarray(first, first + lanes));
    const body = panel * each + head.byteLength;
    if (encoding === "f16") {
      new Uint16Array(stored.buffer, body, weights.length).set(Uint16Array.from(weights, halfBits));
    } else {
      const Whole = encoding === "int16" ? Int16Array : Int8Array;
      encodeWhole(weights, head.subarray(lanes), new Whole(stored.buffer, body, weights.length), mostWhole[encoding]);
    }
  }
  return stored;
}

/** The largest whole number: symmetrical, so that zero is a whole number and no sign is favoured. */
const mostWhole = { int16: 32767, int8: 127 } as const;

/** Fills in the lanes' scales, and each weight as a whole number of its lane's scale. */
function encodeWhole(weights: Float32Array, scales: Float32Array, whole: Int16Array | Int8Array, most: number): void {
  const lanes = scales.length;
  for (let i = 0; i < weights.length; i++) {
    scales[i % lanes] = Math.max(scales[i % lanes]!, Math.abs(weights[i]!) / most);
  }
  // A scale may have been rounded down: what would be 127.00001 is 127.
  for (let i = 0; i < weights.length; i++) {
    const scale = scales[i % lanes]!;
    const value = scale === 0 ? 0 : Math.round(weights[i]! / scale);
    whole[i] = Math.max(-most, Math.min(most, value));
  }
}

/** From here on numbers round to infinity in half precision. */
const LARGEST_HALF = 65520;

const float = new Float32Array(1);
const bitsOfFloat = new Uint32Array(float.buffer);

/** Whether half precision holds a number exactly. */
function isHalf(value: number): boolean {
  const magnitude = Math.abs(value);
  if (!(magnitude < LARGEST_HALF)) return false;
  float[0] = value;
  return magnitude < 2 ** -14 ? Number.isInteger(magnitude * 2 ** 24) : (bitsOfFloat[0]! & 0x1fff) === 0;
}

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
  const decoderFor = (encoding: Encoding, lanes: number): FunctionHandle => {
    const name = `decode_${encoding}_${lanes}`;
    const decoder = decoders.get(name) ?? emitDecoder(module, name, encoding, lanes / LANES);
    decoders.set(name, decoder);
    return decoder;
  };
  const steps = moves.map((move) => {
    const [from, to] = [i32.const(move.from), i32.const(move.to)];
    if (move.kind === "copy") return (f: FunctionBuilder) => f.do(memory.copy(to, from, i32.const(move.bytes)));
    const { count, rows, lanes } = move.panels;
    const decoder = decoderFor(move.encoding, lanes);
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
function emitDecoder(module: ModuleBuilder, name: string, encoding: Encoding, vectors: number): FunctionHandle {
  const params = { from: "i32", to: "i32", panels: "i32", rows: "i32" } as const;
  const stepBytes = bytesPerWeight[encoding] * LANES;
  return module.function(name, { params, results: [] }, (f, { from, to, panels, rows }) => {
    const loadRow = (what: string, first: number) =>
      Array.from({ length: vectors }, (_, v) => f.let(`${what}${v}`, v128.load(from, { offset: 16 * (first + v) })));
    f.repeat({ name: "panel", from: 0, to: panels, step: 1 }, () => {
      const bias = loadRow("bias", 0);
      const scales = encoding === "f16" ? [] : loadRow("scale", vectors);
      bias.forEach((value, v) => {
        f.do(v128.store(to, value, { offset: 16 * v }));
      });
      f.set(from, i32.add(from, 16 * (bias.length + scales.length)));
      f.set(to, i32.add(to, 16 * vectors));
      f.repeat({ name: "row", from: 0, to: rows, step: 1 }, () => {
        for (let v = 0; v < vectors; v++) {
          const scale = scales[v];
          const at = { offset: v * stepBytes };
          const value = scale
            ? f32x4.mul(f32x4.convert_i32x4_s(loadWhole(encoding, from, at)), scale)
            : loadHalves(f, from, at);
          f.do(v128.store(to, value, { offset: 16 * v }));
        }
        f.set(from, i32.add(from, vectors * stepBytes));
        f.set(to, i32.add(to, 16 * vectors));
      });
    });
  });
}

/** Four halves as floats: exponent and fraction moved to a float's place are 2^112 times too small, subnormal numbers too. */
function loadHalves(f: FunctionBuilder, from: Local<"i32">, at: { readonly offset: number }): V128 {
  const bits = f.let("bits", v128.load16x4_s(from, at));
  const small = i32x4.shl(v128.and(bits, i32x4.const(0x7fff, 0x7fff, 0x7fff, 0x7fff)), 13);
  const factor = 2 ** 112;
  const magnitude = f32x4.mul(small, f32x4.const(factor, factor, factor, factor));
  const signBit = -0x8000_0000;
  return v128.or(magnitude, v128.and(bits, i32x4.const(signBit, signBit, signBit, signBit)));
}

function loadWhole(encoding: Encoding, from: Local<"i32">, at: { readonly offset: number }): V128 {
  if (encoding === "int16") return v128.load16x4_s(from, at);
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(from, at)));
}
