/** Arithmetic on constants: what shapes and weights are computed by in foreign graphs. */
import { elementCount, formatShape, type Shape, UnsupportedError } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import { gatherStrided, rowMajorStrides } from "../transpose.ts";
import { type Constant, floatConstant, type NumberArray } from "./foreign_value.ts";

/** What two numbers become. */
export type Arithmetic = "add" | "subtract" | "multiply" | "divide" | "maximum" | "minimum";

const arithmetic: { readonly [A in Arithmetic]: (a: number, b: number) => number } = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
};

/** Two constants, one broadcast to the other where lengths are 1 or missing. */
export function foldArithmetic(budget: MemoryBudget, operation: Arithmetic, a: Constant, b: Constant): Constant {
  const shape = broadcastShape(a.shape, b.shape);
  const count = elementCount(shape);
  const isInteger = a.isInteger && b.isInteger;
  const calculate = arithmetic[operation];
  const data = allocate(budget, count, isInteger);
  const [readA, readB] = [broadcastReader(a, shape), broadcastReader(b, shape)];
  for (let i = 0; i < count; i++) {
    const result = calculate(readA(i), readB(i));
    data[i] = isInteger ? Math.trunc(result) : result;
  }
  return { kind: "constant", shape, data, isInteger };
}

/** A function of each element; floats stay floats, integers integers. */
export function foldUnary(budget: MemoryBudget, x: Constant, calculate: (value: number) => number): Constant {
  const data = allocate(budget, x.data.length, x.isInteger);
  for (let i = 0; i < data.length; i++) data[i] = calculate(x.data[i] as number);
  return { ...x, data };
}

/** The same numbers as floats or integers. */
export function foldCast(budget: MemoryBudget, x: Constant, isInteger: boolean): Constant {
  if (x.isInteger === isInteger) return x;
  const data = allocate(budget, x.data.length, isInteger);
  for (let i = 0; i < data.length; i++) data[i] = isInteger ? Math.trunc(x.data[i] as number) : (x.data[i] as number);
  return { kind: "constant", shape: x.shape, data, isInteger };
}

/** The constant with its axes in another order. */
export function foldTranspose(budget: MemoryBudget, x: Constant, order: readonly number[]): Constant {
  const strides = rowMajorStrides(x.shape);
  const shape = order.map((axis) => x.shape[axis] as number);
  return pick(
    budget,
    x,
    shape,
    order.map((axis) => strides[axis] as number),
  );
}

/** Positions `indices` of one axis. */
export function foldSelect(budget: MemoryBudget, x: Constant, axis: number, indices: readonly number[]): Constant {
  const shape = x.shape.with(axis, indices.length);
  const inner = elementCount(x.shape.slice(axis + 1));
  const outer = elementCount(x.shape.slice(0, axis));
  const data = allocateLike(budget, x, elementCount(shape));
  let to = 0;
  for (let o = 0; o < outer; o++) {
    for (const index of indices) {
      const from = (o * (x.shape[axis] as number) + index) * inner;
      data.set(x.data.subarray(from, from + inner), to);
      to += inner;
    }
  }
  return { ...x, shape, data };
}

/** Constants one after another along an axis. */
export function foldConcatenate(budget: MemoryBudget, parts: readonly Constant[], axis: number): Constant {
  const [first] = parts as [Constant];
  const rest = (shape: Shape): string => shape.toSpliced(axis, 1).join();
  const stranger = parts.find(({ shape }) => shape.length !== first.shape.length || rest(shape) !== rest(first.shape));
  if (stranger !== undefined) {
    throw new UnsupportedError(
      `joins constants of shapes ${formatShape(first.shape)} and ${formatShape(stranger.shape)} along axis ${axis}.`,
    );
  }
  const length = parts.reduce((sum, { shape }) => sum + (shape[axis] as number), 0);
  const shape = first.shape.with(axis, length);
  const isInteger = parts.every((part) => part.isInteger);
  const data = allocate(budget, elementCount(shape), isInteger);
  const outer = elementCount(first.shape.slice(0, axis));
  let to = 0;
  for (let o = 0; o < outer; o++) {
    for (const part of parts) {
      const run = part.data.length / outer;
      data.set(part.data.subarray(o * run, (o + 1) * run), to);
      to += run;
    }
  }
  return { kind: "constant", shape, data, isInteger };
}

/** One number everywhere. */
export function foldFill(budget: MemoryBudget, shape: Shape, value: number, isInteger: boolean): Constant {
  const data = allocate(budget, elementCount(shape), isInteger);
  data.fill(value);
  return { kind: "constant", shape, data, isInteger };
}

/** The constant repeated where its lengths are 1 or missing. */
export function foldBroadcast(budget: MemoryBudget, x: Constant, shape: Shape): Constant {
  const wanted = broadcastShape(x.shape, shape);
  const data = allocateLike(budget, x, elementCount(wanted));
  const read = broadcastReader(x, wanted);
  for (let i = 0; i < data.length; i++) data[i] = read(i);
  return { ...x, shape: wanted, data };
}

/**
 * Integers that stand for numbers: `(x − zeroPoint)·scale`, each of one element or one for each position along `axis`.
 *
 * @throws {UnsupportedError} where neither fits, as in schemes by blocks
 */
export function dequantize(
  budget: MemoryBudget,
  x: Constant,
  scale: Constant,
  zeroPoint: Constant | undefined,
  axis: number,
): Constant {
  const length = scale.data.length === 1 ? 1 : (x.shape[axis] ?? 0);
  if (scale.data.length !== length || (zeroPoint !== undefined && zeroPoint.data.length !== length)) {
    throw new UnsupportedError(
      `dequantises ${formatShape(x.shape)} by ${scale.data.length} scales and ${zeroPoint?.data.length ?? 0} zero points along axis ${axis}; only one, or one for each position, is read.`,
    );
  }
  budget.spend(4 * x.data.length, "Dequantised weights");
  const data = new Float32Array(x.data.length);
  const inner = length === 1 ? data.length : elementCount(x.shape.slice(axis + 1));
  for (let start = 0, position = 0; start < data.length; start += inner, position = (position + 1) % length) {
    const [factor, zero] = [scale.data[position] as number, zeroPoint?.data[position] ?? 0];
    for (let i = start; i < start + inner; i++) data[i] = ((x.data[i] as number) - zero) * factor;
  }
  return floatConstant(x.shape, data);
}

/** Elements at the given strides of each axis of the result. */
function pick(budget: MemoryBudget, x: Constant, shape: Shape, strides: readonly number[]): Constant {
  return { ...x, shape, data: gatherStrided(x.data, allocateLike(budget, x, x.data.length), shape, strides) };
}

function broadcastShape(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new UnsupportedError(`combines constants of shapes ${formatShape(a)} and ${formatShape(b)}.`);
  });
}

/** The element of a constant for each position of the shape that it is broadcast to. */
function broadcastReader({ shape, data }: Constant, wanted: Shape): (position: number) => number {
  if (data.length === 1) return () => data[0] as number;
  const missing = wanted.length - shape.length;
  const own = rowMajorStrides(shape);
  const strides = rowMajorStrides(wanted);
  const axes = shape.flatMap((length, axis) => (length === 1 ? [] : [axis]));
  return (position) =>
    data[
      axes.reduce((sum, axis) => {
        const index = Math.floor(position / (strides[axis + missing] as number)) % (shape[axis] as number);
        return sum + index * (own[axis] as number);
      }, 0)
    ] as number;
}

function allocate(budget: MemoryBudget, count: number, isInteger: boolean): Float32Array | Float64Array {
  budget.spend((isInteger ? 8 : 4) * count, "Constants that the file computes");
  return isInteger ? new Float64Array(count) : new Float32Array(count);
}

function allocateLike(budget: MemoryBudget, { data }: Constant, count: number): NumberArray {
  budget.spend(data.BYTES_PER_ELEMENT * count, "Constants that the file computes");
  return new (data.constructor as new (length: number) => NumberArray)(count);
}
