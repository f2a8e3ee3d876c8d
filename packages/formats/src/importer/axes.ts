/**
 * How the axes of a foreign tensor lie in a value of ours. Reshapes and transposes only rename axes: followed as names, a layout of
 * another framework costs nothing, and a channel shuffle, however it is spelled, is seen for what it is once somebody reads its channels.
 */
import { elementCount, type Shape } from "@depthwise/core";

/** A factor of one axis of a value: `length` steps of `stride` positions along the axis `axis`. Longer than 1. */
export interface Atom {
  readonly axis: number;
  readonly stride: number;
  readonly length: number;
}

/** For each axis of a foreign tensor the atoms it is made of, outermost first; none where its length is 1. */
export type Axes = readonly (readonly Atom[])[];

/** The axes of a value under its own shape. */
export function axesOf(shape: Shape): Axes {
  return shape.map((length, axis) => wholeAxis(axis, length));
}

/** One axis of a value, undivided. */
export function wholeAxis(axis: number, length: number): readonly Atom[] {
  return length === 1 ? [] : [{ axis, stride: 1, length }];
}

/** Positions that atoms span together. */
export function spanOf(atoms: readonly Atom[]): number {
  return elementCount(atoms.map(({ length }) => length));
}

/** The foreign tensor's shape. */
export function shapeOf(axes: Axes): Shape {
  return axes.map(spanOf);
}

/** The same positions in the same order with as few atoms as say it. */
export function mergeAtoms(atoms: readonly Atom[]): readonly Atom[] {
  const merged: Atom[] = [];
  for (const atom of atoms) {
    const last = merged.at(-1);
    if (last !== undefined && last.axis === atom.axis && last.stride === atom.stride * atom.length) {
      merged[merged.length - 1] = { ...atom, length: last.length * atom.length };
    } else {
      merged.push(atom);
    }
  }
  return merged;
}

/** Whether two lists of atoms are the same. */
export function sameAtoms(a: readonly Atom[], b: readonly Atom[]): boolean {
  return (
    a.length === b.length &&
    a.every((atom, i) => {
      const other = b[i] as Atom;
      return atom.axis === other.axis && atom.stride === other.stride && atom.length === other.length;
    })
  );
}

/** Whether two foreign tensors lie in the same way in values of one shape. */
export function sameAxes(a: Axes, b: Axes): boolean {
  return a.length === b.length && a.every((atoms, axis) => sameAtoms(atoms, b[axis] as readonly Atom[]));
}

/** The axes of the tensor reshaped, or undefined where a new axis is no product of factors of the old ones. */
export function regroup(axes: Axes, shape: Shape): Axes | undefined {
  const queue = mergeAtoms(axes.flat()).toReversed(); // the next one is last
  const groups: (readonly Atom[])[] = [];
  for (const length of shape) {
    const group = takeAtoms(queue, length);
    if (group === undefined) return undefined;
    groups.push(group);
  }
  return queue.length === 0 ? groups : undefined;
}

/** Takes atoms that span `length` off the end of the queue, dividing the last one where that is needed. */
function takeAtoms(queue: Atom[], length: number): readonly Atom[] | undefined {
  const group: Atom[] = [];
  for (let rest = length; rest > 1; ) {
    const atom = queue.pop();
    if (atom === undefined) return undefined;
    if (rest % atom.length === 0) {
      group.push(atom);
      rest /= atom.length;
    } else if (atom.length % rest === 0) {
      const inner = atom.length / rest;
      group.push({ axis: atom.axis, stride: atom.stride * inner, length: rest });
      queue.push({ ...atom, length: inner });
      rest = 1;
    } else {
      return undefined;
    }
  }
  return group;
}

/** Position along the value's axis for each step through atoms of that axis, the last atom fastest. */
export function positionsOf(atoms: readonly Atom[]): readonly number[] {
  let positions = [0];
  for (const { stride, length } of atoms) {
    positions = positions.flatMap((start) => Array.from({ length }, (_, i) => start + i * stride));
  }
  return positions;
}

/** Atoms of one axis, one inside the other, which spans them without holes: their strides anew. */
export function nestAtoms(atoms: readonly Atom[]): readonly Atom[] {
  let stride = 1;
  const nested: Atom[] = [];
  for (const atom of atoms.toReversed()) {
    nested.unshift({ ...atom, stride });
    stride *= atom.length;
  }
  return nested;
}
