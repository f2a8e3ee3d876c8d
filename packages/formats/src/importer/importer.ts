import { type Operation, plainConvolution, type Shape, UnsupportedError, type Value } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import { transpose } from "../transpose.ts";
import {
  type Atom,
  type Axes,
  axesOf,
  mergeAtoms,
  nestAtoms,
  positionsOf,
  sameAtoms,
  shapeOf,
  spanOf,
  wholeAxis,
} from "./axes.ts";
import { Drafts, type ImportedNetwork } from "./drafts.ts";
import { type Affine, type Constant, type ForeignValue, type NumberArray, type View, viewOf } from "./foreign_value.ts";

/** Where a foreign picture has its axes: rows of names, outermost first. */
export type Layout = "NCHW" | "NHWC";

/** For each of our axes N, H, W, C its place in a foreign picture. */
const places = { NCHW: [0, 2, 3, 1], NHWC: [0, 1, 2, 3] } as const;

/** Layers between a list and the picture that it is to become: beyond, recursion could go too deep. */
const DEEPEST_LIFT = 200;
/** Channels that a list of an order may have: no network comes near, and a hostile file asks for more. */
const LONGEST_ORDER = 2 ** 20;
/** Bytes of one entry of a list of numbers. */
const LIST_ENTRY_BYTES = 16;

/**
 * A network of ours while a foreign graph is read: knows how to make of a view what our operations take. Nodes are named after the foreign
 * node that is being read, `current`.
 */
export class Importer {
  readonly budget: MemoryBudget;
  /** Name of the foreign node that is being read. */
  current = "";
  readonly #drafts: Drafts;
  /** What was made of a view or a constant before. */
  readonly #settled = new Map<View, View>();
  /** What a value that `settle` made was made of. */
  readonly #unsettled = new Map<Value["id"], Pick<View, "value" | "affine">>();
  readonly #permutations = new Map<string, Value>();
  readonly #flattened = new Map<Value["id"], Value>();
  readonly #lifted = new Map<Value["id"], Value | undefined>();
  readonly #parameters = new Map<Constant, Map<string, Value>>();

  constructor(name: string, budget: MemoryBudget) {
    this.#drafts = new Drafts(name, budget);
    this.budget = budget;
  }

  /** An input of the network, in our layout. */
  input(name: string, shape: Shape): Value {
    return this.#drafts.add(name, { op: "input", shape }, []);
  }

  /** Adds a node, named after the foreign one and `part`. */
  emit(operation: Operation, inputs: readonly Value[], part?: string): Value {
    return this.#drafts.add(this.#name(part), operation, inputs);
  }

  /** Adds a parameter of numbers that nobody else has. */
  parameter(part: string, shape: Shape, numbers: Float32Array, isTrainable = true): Value {
    return this.#drafts.parameter(this.#name(part), shape, numbers, isTrainable);
  }

  /** Adds the parameter that `make` makes of a constant; for the same `key` it is made once. */
  parameterOf(part: string, constant: Constant, key: string, make: () => Value): Value {
    const known = this.#parameters.get(constant) ?? new Map<string, Value>();
    this.#parameters.set(constant, known);
    const value = known.get(`${part} ${key}`) ?? make();
    known.set(`${part} ${key}`, value);
    return value;
  }

  /** Adds a constant as a parameter with its axes in another order, then viewed as `shape`. */
  transposedParameter(part: string, constant: Constant, order: readonly number[], shape?: Shape): Value {
    return this.parameterOf(part, constant, `${order.join()} ${shape?.join()}`, () => {
      const { data, shape: transposed } = transpose(this.#floats(constant), constant.shape, order);
      this.budget.spend(data.byteLength, "The network's weights");
      return this.parameter(part, shape ?? transposed, data);
    });
  }

  /** Adds a constant as a parameter of one axis. */
  listParameter(part: string, constant: Constant, isTrainable = true): Value {
    return this.parameterOf(part, constant, "list", () => {
      const floats = this.#floats(constant);
      return this.parameter(part, [floats.length], floats, isTrainable);
    });
  }

  /** The operation that gives a value, and its inputs. */
  operationOf(value: Value): { readonly operation: Operation; readonly inputs: readonly Value[] } {
    return this.#drafts.draftOf(value);
  }

  /** The view with nothing left to be done to its value: a batch norm does it. */
  settle(view: View): View {
    if (view.affine === undefined) return view;
    const known = this.#settled.get(view);
    if (known !== undefined) return known;
    const channels = view.value.shape.at(-1) as number;
    const statistics = [
      this.#vector("gamma", channels, view.affine.scale),
      this.#vector("beta", channels, view.affine.shift),
      this.#vector("mean", channels, 0, false),
      this.#vector("variance", channels, 1, false),
    ];
    const value = this.emit({ op: "batch_norm", epsilon: 0 }, [view.value, ...statistics], "affine");
    const settled: View = { ...view, value, affine: undefined };
    this.#settled.set(view, settled);
    this.#unsettled.set(value.id, view);
    return settled;
  }

  /** The view of a value, with what `settle` did to it still to be done. */
  beforeSettling(value: Value, axes: Axes): View {
    return { ...viewOf(value, axes), ...pickAffine(this.#unsettled.get(value.id)) };
  }

  /** What `settle` gave for the view, if it was asked; the view itself otherwise. */
  asSettled(view: View): View {
    return this.#settled.get(view) ?? view;
  }

  /** What a foreign node gives, with its name where that is the only thing it made. */
  named(value: ForeignValue, madeBefore: number): ForeignValue {
    const isMade = value.kind === "constant" || value.value.id >= madeBefore;
    return isMade ? value : { ...value, name: this.current };
  }

  /** How many nodes were asked for so far. */
  get count(): number {
    return this.#drafts.count;
  }

  /** The view, settled, on a value whose channels are in the foreign tensor's order: a permutation makes it. */
  canonical(view: View): View {
    const { value, axes } = this.settle(view);
    const last = value.shape.length - 1;
    const channels = axes.flat().filter(({ axis }) => axis === last);
    const order = mergeAtoms(channels);
    if (order.length <= 1) return { ...viewOf(value, axes), ...nameOf(view) };
    return viewOf(this.#permuted(value, order, view.name), renested(axes, channels));
  }

  /** A settled view on the value flattened to `[N, all the rest]`. */
  flattened(view: View): View {
    const { value, axes } = this.settle(view);
    if (value.shape.length === 2) return { ...viewOf(value, axes), ...nameOf(view) };
    const { name = this.#name("flatten") } = view;
    const flat = this.#flattened.get(value.id) ?? this.#drafts.add(name, { op: "flatten" }, [value]);
    this.#flattened.set(value.id, flat);
    const [, , width, channels] = value.shape as readonly [number, number, number, number];
    const factors = [1, width * channels, channels, 1];
    const moved = axes.map((atoms) =>
      mergeAtoms(
        atoms.map(({ axis, stride, length }) => ({
          axis: Math.min(axis, 1),
          stride: stride * (factors[axis] as number),
          length,
        })),
      ),
    );
    return viewOf(flat, moved);
  }

  /** A settled view on a picture of one pixel, where the value is a list of channels that can be computed as such. */
  lifted(view: View): View {
    const { value, axes } = this.settle(view);
    if (value.shape.length !== 2) return { ...viewOf(value, axes), ...nameOf(view) };
    const picture = this.#lift(value, 0);
    if (picture === undefined) {
      throw this.unsupported("a list of channels becomes a picture here; only what was computed from pictures can");
    }
    return viewOf(
      picture,
      axes.map((atoms) => atoms.map((atom) => ({ ...atom, axis: atom.axis * 3 }))),
    );
  }

  /**
   * The value as a picture of ours.
   *
   * @throws {UnsupportedError} if the foreign tensor is no picture in the given layout
   */
  picture(view: View, layout: Layout): Value {
    const { value, axes } = this.canonical(this.lifted(view));
    if (isPicture(axes, value.shape, layout)) return value;
    throw this.unsupported(`expects a picture [${[...layout].join(", ")}]; the tensor ${describe(axes)} is none`);
  }

  /** The layout in which the foreign tensor is a picture; the first one where both fit. */
  layoutOf(view: View, preferred: Layout): Layout {
    const { axes, value } = this.canonical(view);
    const other = preferred === "NCHW" ? "NHWC" : "NCHW";
    const fits = (layout: Layout): boolean => isPicture(axes, value.shape, layout);
    return value.shape.length === 4 && !fits(preferred) && fits(other) ? other : preferred;
  }

  /** A picture of ours as a foreign one. */
  fromPicture(value: Value, layout: Layout): View {
    const own = axesOf(value.shape);
    const axes = [...layout].map((name) => own["NHWC".indexOf(name)] as readonly Atom[]);
    return viewOf(value, axes);
  }

  /**
   * The value as `[N, C]`, of a foreign tensor of two axes, or one without a batch.
   *
   * @throws {UnsupportedError} if the foreign tensor is no such list
   */
  matrix(view: View): Value {
    const axes = view.axes.length === 1 ? [[], ...view.axes] : view.axes;
    const { value, axes: flat } = this.canonical(this.flattened(this.settle({ ...this.settle(view), axes })));
    const expected = axesOf(value.shape);
    const isMatrix = flat.length === 2 && flat.every((atoms, i) => sameAtoms(mergeAtoms(atoms), expected[i] as Atom[]));
    if (isMatrix) return value;
    throw this.unsupported(`expects a tensor [N, C]; ${describe(axes)} is none`);
  }

  /**
   * A canonical view with all channels of its value, and nothing else, on one foreign axis.
   *
   * @throws {UnsupportedError} if they are elsewhere
   */
  channelsOn(view: View, axis: number): View {
    for (const candidate of [view, ...(view.value.shape.length === 4 ? [this.flattened(view)] : [])]) {
      const { value, axes } = this.canonical(candidate);
      const last = value.shape.length - 1;
      const expected = wholeAxis(last, value.shape[last] as number);
      if (sameAtoms(mergeAtoms(axes[axis] as readonly Atom[]), expected)) {
        return viewOf(value, axes.with(axis, expected));
      }
    }
    throw this.unsupported(`works on the channels alone; axis ${axis} of ${describe(view.axes)} is something else`);
  }

  /** Positions along one axis of a value, one for each step through the atoms. */
  positions(atoms: readonly Atom[]): readonly number[] {
    const count = spanOf(atoms);
    if (count > LONGEST_ORDER) throw this.unsupported(`orders ${count} channels; the limit is ${LONGEST_ORDER}`);
    this.budget.spend(LIST_ENTRY_BYTES * count, "The order of channels");
    return positionsOf(atoms);
  }

  /** The view with `scale·x + shift` done to its foreign tensor, each a number or one for each channel of the value. */
  withAffine(view: View, scale: Affine["scale"], shift: Affine["shift"]): View {
    const before = view.affine;
    if (before === undefined) return { ...view, affine: simplified(scale, shift) };
    // Numbers for all channels, after those for each, are kept apart: patterns such as relu6(x + 3) are made of them.
    if (isPerChannel(before) && !isPerChannel({ scale, shift })) {
      return { ...this.settle(view), affine: simplified(scale, shift) };
    }
    if (isPerChannel(before) || isPerChannel({ scale, shift })) {
      this.budget.spend(2 * 8 * (view.value.shape.at(-1) as number), "A number for each channel");
    }
    const composed = simplified(product(before.scale, scale), sum(product(before.shift, scale), shift));
    return { ...view, affine: composed };
  }

  /** The network of the given outputs. */
  finish(outputs: readonly (readonly [name: string, value: Value])[]): ImportedNetwork {
    return this.#drafts.finish(outputs);
  }

  /** An error that says what the foreign node does that cannot be read. */
  unsupported(problem: string, hint?: string): UnsupportedError {
    return new UnsupportedError(`${problem}.`, hint === undefined ? {} : { hint });
  }

  #name(part: string | undefined): string {
    return part === undefined ? this.current : `${this.current}/${part}`;
  }

  #floats({ data }: Constant): Float32Array {
    if (data instanceof Float32Array) return data;
    this.budget.spend(4 * data.length, "The network's weights");
    return Float32Array.from(data as NumberArray & Iterable<number>);
  }

  #vector(part: string, channels: number, values: number | Float64Array, isTrainable = true): Value {
    this.budget.spend(4 * channels, "A number for each channel");
    const numbers = typeof values === "number" ? new Float32Array(channels).fill(values) : Float32Array.from(values);
    return this.parameter(part, [channels], numbers, isTrainable);
  }

  #permuted(value: Value, order: readonly Atom[], name: string | undefined): Value {
    const key = `${value.id}: ${order.map(({ stride, length }) => `${length}x${stride}`).join()}`;
    const permuted = this.#permutations.get(key) ?? this.#permutedAnew(value, order, name);
    this.#permutations.set(key, permuted);
    return permuted;
  }

  #permutedAnew(value: Value, order: readonly Atom[], name = this.#name("permute")): Value {
    const [outer, inner] = order as [Atom, Atom];
    const isShuffle = order.length === 2 && outer.stride === 1 && inner.stride === outer.length;
    const permutation = isShuffle
      ? ({ kind: "shuffle", groups: inner.length } as const)
      : ({ kind: "explicit", order: this.positions(order) } as const);
    return this.#drafts.add(name, { op: "permute", permutation }, [value]);
  }

  /** The list as a picture of one pixel, by the same operations on pictures; undefined where there is no such. */
  #lift(value: Value, depth: number): Value | undefined {
    if (this.#lifted.has(value.id)) return this.#lifted.get(value.id);
    if (depth > DEEPEST_LIFT) throw this.unsupported("too many layers work on lists of channels");
    const lifted = this.#liftAnew(value, depth);
    this.#lifted.set(value.id, lifted);
    return lifted;
  }

  #liftAnew(value: Value, depth: number): Value | undefined {
    if (value.shape.length === 4) return value;
    const { operation, inputs, name } = this.#drafts.draftOf(value);
    const [x] = inputs;
    if (x === undefined) return undefined; // an input of the network
    if (operation.op === "flatten") return x.shape[1] === 1 && x.shape[2] === 1 ? x : undefined;
    if (operation.op === "linear") return this.#liftLinear(value, depth);
    const own = operation.op === "batch_norm" ? 1 : inputs.length;
    const pictures = inputs.slice(0, own).map((input) => this.#lift(input, depth + 1));
    if (!pictures.every((picture) => picture !== undefined)) return undefined;
    return this.#drafts.add(name, operation, [...pictures, ...inputs.slice(own)]);
  }

  /** A linear layer is a convolution with a window as large as the picture that it flattens. */
  #liftLinear(value: Value, depth: number): Value | undefined {
    const { operation, inputs, name } = this.#drafts.draftOf(value);
    const [x, kernel, ...bias] = inputs as [Value, Value, Value?];
    const { operation: source, inputs: sources } = this.#drafts.draftOf(x);
    const picture = source.op === "flatten" ? (sources[0] as Value) : this.#lift(x, depth + 1);
    if (picture?.shape.length !== 4 || operation.op !== "linear") return undefined;
    const [, height, width, channels] = picture.shape as readonly [number, number, number, number];
    const window = this.#drafts.reshapedParameter(kernel, [height, width, channels, kernel.shape[1] as number]);
    const convolution = { ...plainConvolution, bias: operation.bias, activation: operation.activation } as const;
    return this.#drafts.add(name, convolution, [picture, window, ...(bias as Value[])]);
  }
}

/** The foreign axes with the given atoms, which are all of one axis of the value, nested in their order. */
function renested(axes: Axes, atoms: readonly Atom[]): Axes {
  const nested = nestAtoms(atoms);
  const renamed = new Map(atoms.map((atom, i) => [atom, nested[i] as Atom]));
  return axes.map((group) => mergeAtoms(group.map((atom) => renamed.get(atom) ?? atom)));
}

function isPicture(axes: Axes, shape: Shape, layout: Layout): boolean {
  if (axes.length !== 4 || shape.length !== 4) return false;
  return places[layout].every((place, axis) =>
    sameAtoms(mergeAtoms(axes[place] as readonly Atom[]), wholeAxis(axis, shape[axis] as number)),
  );
}

function describe(axes: Axes): string {
  return `of shape ${shapeOf(axes).join("x") || "scalar"}`;
}

function nameOf({ name }: View): Pick<View, "name"> {
  return name === undefined ? {} : { name };
}

function pickAffine(view: Pick<View, "value" | "affine"> | undefined): Partial<View> {
  return view === undefined ? {} : { value: view.value, affine: view.affine };
}

function isPerChannel({ scale, shift }: Affine): boolean {
  return typeof scale !== "number" || typeof shift !== "number";
}

/** Products such as 6·(1/6) are 1 but for rounding. */
const ROUNDING = 1e-6;

/** Nothing, where nothing is to be done. */
function simplified(scale: Affine["scale"], shift: Affine["shift"]): Affine | undefined {
  const isUnit = typeof scale === "number" && Math.abs(scale - 1) < ROUNDING;
  if (isUnit && shift === 0) return undefined;
  return { scale: isUnit ? 1 : scale, shift };
}

function product(a: Affine["scale"], b: Affine["scale"]): Affine["scale"] {
  return combined(a, b, (x, y) => x * y);
}

function sum(a: Affine["shift"], b: Affine["shift"]): Affine["shift"] {
  return combined(a, b, (x, y) => x + y);
}

function combined(
  a: number | Float64Array,
  b: number | Float64Array,
  operation: (x: number, y: number) => number,
): number | Float64Array {
  if (typeof a === "number" && typeof b === "number") return operation(a, b);
  if (typeof a !== "number") {
    return a.map((x, i) => operation(x, typeof b === "number" ? b : (b[i] as number)));
  }
  return (b as Float64Array).map((y) => operation(a, y));
}
