/** What foreign graphs do to the order and number of channels, and to the names of axes. */
import { elementCount, formatShape, type Shape, sameShape } from "@depthwise/core";
import { type Atom, type Axes, regroup, shapeOf, wholeAxis } from "./axes.ts";
import { foldConcatenate, foldSelect, foldTranspose } from "./fold.ts";
import { type Constant, type ForeignValue, type View, viewOf } from "./foreign_value.ts";
import type { Importer } from "./importer.ts";

/** Axes that a tensor may have: more is no network, and lists of them could be long. */
export const MOST_AXES = 16;

/** Which of so many axes or positions is meant: negative ones count from the end. */
export function wrapped(to: Importer, index: number, count: number): number {
  const position = index < 0 ? index + count : index;
  if (Number.isInteger(position) && position >= 0 && position < count) return position;
  throw to.unsupported(`asks for number ${index} of ${count}`);
}

/** The shape of a foreign value. */
export function shapeOfValue(value: ForeignValue): Shape {
  return value.kind === "constant" ? value.shape : shapeOf(value.axes);
}

/** The same numbers in the same order under another shape. */
export function reshape(to: Importer, value: ForeignValue, shape: Shape): ForeignValue {
  const before = shapeOfValue(value);
  if (shape.length > MOST_AXES || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw to.unsupported(`reshapes to ${formatShape(shape.slice(0, MOST_AXES))}`);
  }
  if (elementCount(before) !== elementCount(shape)) {
    throw to.unsupported(
      `reshapes ${formatShape(before)} to ${formatShape(shape)}, which has another number of elements`,
    );
  }
  if (value.kind === "constant") return { ...value, shape };
  const axes = regroup(value.axes, shape);
  if (axes !== undefined) return { ...value, axes };
  throw to.unsupported(
    `reshapes ${formatShape(before)} to ${formatShape(shape)}, which cuts across channels and pixels`,
  );
}

/** Lengths with one of -1 that is what remains, and, where `zeroCopies`, 0 for the length that is there. */
export function resolveShape(to: Importer, value: ForeignValue, wanted: readonly number[], zeroCopies: boolean): Shape {
  const before = shapeOfValue(value);
  const shape = wanted.map((length, axis) => (length === 0 && zeroCopies ? (before[axis] ?? 0) : length));
  const unknown = shape.indexOf(-1);
  if (unknown === -1) return shape;
  const known = elementCount(shape.toSpliced(unknown, 1));
  if (known > 0) return shape.with(unknown, elementCount(before) / known);
  throw to.unsupported(`reshapes ${formatShape(before)} to ${formatShape(shape)}, which has no elements`);
}

/** The tensor with its axes in another order; for each new axis the old one. */
export function transposeAxes(to: Importer, value: ForeignValue, order: readonly number[]): ForeignValue {
  const rank = shapeOfValue(value).length;
  if (order.length !== rank || new Set(order).size !== rank || !order.every((axis) => axis >= 0 && axis < rank)) {
    throw to.unsupported(`puts ${rank} axes into the order ${order.slice(0, MOST_AXES).join()}, which is none of them`);
  }
  if (value.kind === "constant") return foldTranspose(to.budget, value, order);
  return { ...value, axes: order.map((axis) => value.axes[axis] as readonly Atom[]) };
}

/** The tensor without some axes of length 1; without all of them where none is named. */
export function squeeze(to: Importer, value: ForeignValue, axes: readonly number[] | undefined): ForeignValue {
  const shape = shapeOfValue(value);
  const gone = new Set(
    axes?.map((axis) => wrapped(to, axis, shape.length)) ??
      shape.flatMap((length, axis) => (length === 1 ? [axis] : [])),
  );
  return reshape(
    to,
    value,
    shape.filter((_, axis) => !gone.has(axis)),
  );
}

/** The tensor with axes of length 1 at the given places of the result. */
export function unsqueeze(to: Importer, value: ForeignValue, axes: readonly number[]): ForeignValue {
  const shape = shapeOfValue(value);
  const rank = shape.length + axes.length;
  if (rank > MOST_AXES) throw to.unsupported(`makes a tensor of ${rank} axes`);
  const added = new Set(axes.map((axis) => wrapped(to, axis, rank)));
  if (added.size !== axes.length) throw to.unsupported(`adds an axis twice: ${axes.join()}`);
  const rest = shape.values();
  return reshape(
    to,
    value,
    Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (rest.next().value as number))),
  );
}

/**
 * Some positions of one axis, in the given order.
 *
 * @throws {UnsupportedError} if they are not channels
 */
export function select(to: Importer, value: ForeignValue, axis: number, indices: readonly number[]): ForeignValue {
  const length = shapeOfValue(value)[axis] as number;
  if (indices.length === length && indices.every((index, i) => index === i)) return value;
  if (value.kind === "constant") return foldSelect(to.budget, value, axis, indices);
  const isDistinct = new Set(indices).size === indices.length && indices.length > 0;
  if (!isDistinct) throw to.unsupported(`takes ${indices.length} positions of axis ${axis}, not each of them once`);
  const outermost = withAxisOutermost(to, value, axis);
  const first = indices[0] as number;
  const rest = (outermost.value.shape.at(-1) as number) / length;
  if (indices.every((index, i) => index === first + i)) return slice(to, outermost, axis, first, indices.length, rest);
  // The wanted ones first, in their order, then the others, which are cut off.
  to.budget.spend(16 * length * rest, "The order of channels");
  const wanted = new Set(indices);
  const others = Array.from({ length }, (_, i) => i).filter((i) => !wanted.has(i));
  const order = [...indices, ...others].flatMap((index) => Array.from({ length: rest }, (_, i) => index * rest + i));
  const permuted = to.emit({ op: "permute", permutation: { kind: "explicit", order } }, [outermost.value], "order");
  const reordered = viewOf(permuted, outermost.axes);
  return indices.length === length ? reordered : slice(to, reordered, axis, 0, indices.length, rest);
}

/** The view on a value whose channels have the given axis as their outermost factor. */
function withAxisOutermost(to: Importer, view: View, axis: number): View {
  const length = shapeOf(view.axes)[axis] as number;
  const settled = to.settle(view);
  const isList = view.axes.length <= 2 && view.value.shape.length === 4;
  for (const candidate of [settled, ...(isList ? [to.flattened(settled)] : [])]) {
    const last = candidate.value.shape.length - 1;
    const own = candidate.axes[axis] as readonly Atom[];
    if (length === 1 || !own.every((atom) => atom.axis === last)) continue;
    const others = candidate.axes.map((atoms, i) => (i === axis ? [] : atoms));
    const moved = to.canonical({ ...candidate, axes: [own, ...others] });
    const [outer, ...rest] = moved.axes as readonly [readonly Atom[], ...Axes];
    return viewOf(moved.value, rest.with(axis, outer));
  }
  throw to.unsupported(
    `takes a part of axis ${axis} of ${formatShape(shapeOf(view.axes))}; only channels are taken apart`,
  );
}

/** `count` positions of an axis that is the outermost factor of the channels; each has `rest` channels. */
function slice(to: Importer, view: View, axis: number, start: number, count: number, rest: number): View {
  const { value, axes } = view;
  const last = value.shape.length - 1;
  const sliced = to.emit({ op: "slice", start: start * rest, count: count * rest }, [value]);
  const atom: readonly Atom[] = count === 1 ? [] : [{ axis: last, stride: rest, length: count }];
  return viewOf(sliced, axes.with(axis, atom));
}

/**
 * Values joined along one axis.
 *
 * @throws {UnsupportedError} if that is not the channels, or the values do not lie alike
 */
export function concatenate(to: Importer, values: readonly ForeignValue[], axis: number): ForeignValue {
  if (values.length === 0) throw to.unsupported("joins nothing");
  const constants = values.filter((value): value is Constant => value.kind === "constant");
  if (constants.length === values.length) return foldConcatenate(to.budget, constants, axis);
  if (constants.length > 0) throw to.unsupported("joins computed values with constants");
  const rank = shapeOfValue(values[0] as View).length;
  if (values.some((value) => shapeOfValue(value).length !== rank))
    throw to.unsupported("joins values of several ranks");
  if (values.length === 1) return values[0] as View;
  const views = (values as readonly View[]).map((view) => to.channelsOn(view, axis));
  const isMixed = new Set(views.map(({ value }) => value.shape.length)).size > 1;
  const parts = isMixed ? views.map((view) => to.channelsOn(to.flattened(view), axis)) : views;
  const [first] = parts as [View];
  const others = (view: View): string => JSON.stringify(view.axes.toSpliced(axis, 1));
  if (
    !parts.every(
      (part) =>
        others(part) === others(first) && sameShape(part.value.shape.slice(0, -1), first.value.shape.slice(0, -1)),
    )
  ) {
    throw to.unsupported(`joins values of different layouts along axis ${axis}`);
  }
  const joined = to.emit(
    { op: "concatenate" },
    parts.map(({ value }) => value),
  );
  const last = joined.shape.length - 1;
  return viewOf(joined, first.axes.with(axis, wholeAxis(last, joined.shape[last] as number)));
}

/** An axis cut into parts of the given lengths, all of it. */
export function splitAxis(
  to: Importer,
  value: ForeignValue,
  axis: number,
  lengths: readonly number[],
): readonly ForeignValue[] {
  const length = shapeOfValue(value)[axis] as number;
  if (
    !lengths.every((part) => Number.isInteger(part) && part >= 1) ||
    lengths.reduce((sum, part) => sum + part, 0) !== length
  ) {
    throw to.unsupported(`cuts an axis of ${length} into parts of ${lengths.slice(0, MOST_AXES).join()}`);
  }
  let start = 0;
  return lengths.map((part) => {
    const indices = range(to, start, start + part, 1);
    start += part;
    return select(to, value, axis, indices);
  });
}

/** From `start` to before `end`, in steps. */
function range(to: Importer, start: number, end: number, step: number): readonly number[] {
  const length = Math.max(Math.ceil((end - start) / step), 0);
  to.budget.spend(8 * length, "A range of positions");
  return Array.from({ length }, (_, i) => start + i * step);
}

/**
 * The part of an axis that Python's `start:end:step` is.
 *
 * @throws {UnsupportedError} if it is empty
 */
export function sliceRange(to: Importer, length: number, start: number, end: number, step: number): readonly number[] {
  if (!Number.isInteger(step) || step === 0) throw to.unsupported(`slices in steps of ${step}`);
  const clamp = (position: number, least: number, greatest: number): number =>
    Math.min(Math.max(position < 0 ? position + length : position, least), greatest);
  const isForward = step > 0;
  const from = isForward ? clamp(start, 0, length) : clamp(start, -1, length - 1);
  const before = isForward ? clamp(end, 0, length) : clamp(end, -1, length - 1);
  return range(to, from, before, step);
}
