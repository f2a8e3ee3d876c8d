/** What foreign graphs do to every element: activations, sums and products, with constants and with each other. */
import { type Activation, elementCount, type Shape, sameShape } from "@depthwise/core";
import { type Atom, type Axes, sameAxes, shapeOf, spanOf } from "./axes.ts";
import { type Arithmetic, foldArithmetic } from "./fold.ts";
import { type Constant, type ForeignValue, type View, viewOf } from "./foreign_value.ts";
import type { Importer } from "./importer.ts";

/** An activation. What is in its range already stays as it is, and `relu6(x + 3)` is `6·hard_sigmoid(x)`, of which frameworks make others. */
export function activate(to: Importer, view: View, activation: Activation, part?: string): View {
  if (activation === "none") return view;
  const { operation, inputs } = to.operationOf(view.value);
  const before = operation.op === "activation" && view.affine === undefined ? operation.activation : "none";
  if (before === activation && activation.startsWith("relu")) return view;
  if (activation === "relu" && before === "relu6") return view;
  const [source = view.value] = inputs;
  const bare = activation === "relu6" && before === "relu" ? to.beforeSettling(source, view.axes) : view;
  if (activation === "relu6" && bare.affine?.scale === 1 && bare.affine.shift === 3) {
    const gate = to.emit({ op: "activation", activation: "hard_sigmoid" }, [bare.value], part);
    return to.withAffine(viewOf(gate, bare.axes), 6, 0);
  }
  const { value, axes } = to.settle(bare);
  return viewOf(to.emit({ op: "activation", activation }, [value], part), axes);
}

/**
 * A value kept between two numbers.
 *
 * @throws {UnsupportedError} but for those that an activation of ours has: 0 and 6, 0 and infinity
 */
export function clip(to: Importer, view: View, least: number, greatest: number): View {
  if (least === Number.NEGATIVE_INFINITY && greatest === Number.POSITIVE_INFINITY) return view;
  // The largest float32 stands for infinity in many files.
  const isUnbounded = greatest > 3e38;
  if (least === 0 && isUnbounded) return activate(to, view, "relu");
  if (least === 0 && greatest === 6) return activate(to, view, "relu6");
  const { operation } = to.operationOf(view.value);
  const isPositive = operation.op === "activation" && operation.activation === "relu" && view.affine === undefined;
  if (isPositive && least <= 0 && greatest === 6) return activate(to, view, "relu6");
  throw to.unsupported(`keeps values between ${least} and ${greatest}; 0 and 6, or 0 and infinity, are read`);
}

/** Two values of which one is known or none: sums, differences, products, quotients, and limits. */
export function combine(to: Importer, operation: Arithmetic, a: ForeignValue, b: ForeignValue): ForeignValue {
  if (a.kind === "constant" && b.kind === "constant") return foldArithmetic(to.budget, operation, a, b);
  if (a.kind === "view" && b.kind === "view") {
    if (operation === "add") return add(to, a, b);
    if (operation === "multiply") return multiply(to, a, b);
    throw to.unsupported(`${operation}: two computed values are only added and multiplied`);
  }
  const [view, constant] = a.kind === "view" ? [a, b as Constant] : [b as View, a];
  if (operation === "maximum" || operation === "minimum") {
    const limit = scalarOf(to, constant);
    return operation === "maximum"
      ? clip(to, view, limit, Number.POSITIVE_INFINITY)
      : clip(to, view, Number.NEGATIVE_INFINITY, limit);
  }
  return withConstant(to, operation, view, constant, a.kind === "view");
}

function withConstant(
  to: Importer,
  operation: "add" | "subtract" | "multiply" | "divide",
  view: View,
  constant: Constant,
  isViewFirst: boolean,
): View {
  const rank = constant.shape.length;
  const aligned = seenByChannels(to, alignedTo(to, view, rank), constant.shape);
  const numbers = channelNumbers(to, aligned, constant);
  const map = (calculate: (value: number) => number): number | Float64Array =>
    typeof numbers === "number" ? calculate(numbers) : numbers.map(calculate);
  switch (operation) {
    case "add":
      return to.withAffine(aligned, 1, numbers);
    case "subtract":
      return isViewFirst
        ? to.withAffine(
            aligned,
            1,
            map((value) => -value),
          )
        : to.withAffine(aligned, -1, numbers);
    case "multiply":
      return to.withAffine(aligned, numbers, 0);
    case "divide":
      if (!isViewFirst) throw to.unsupported("divides a constant by a computed value");
      return to.withAffine(
        aligned,
        map((value) => 1 / value),
        0,
      );
    default:
      operation satisfies never;
      throw to.unsupported(`does not know ${String(operation)}`);
  }
}

/** The one number of a constant. */
export function scalarOf(to: Importer, { data, shape }: Constant): number {
  if (data.length === 1) return data[0] as number;
  throw to.unsupported(`expects one number, received a constant of shape ${shape.join("x")}`);
}

/** The view with axes of length 1 put before, as broadcasting to so many axes does. */
function alignedTo(to: Importer, view: View, rank: number): View {
  if (rank <= view.axes.length) return view;
  const missing = rank - view.axes.length;
  if (missing > 8) throw to.unsupported(`combines tensors of ${rank} and ${view.axes.length} axes`);
  return { ...view, axes: [...Array.from({ length: missing }, () => []), ...view.axes] };
}

/** The view on a list, where a constant has numbers for pixels and channels that are one axis. */
function seenByChannels(to: Importer, view: View, shape: Shape): View {
  const missing = view.axes.length - shape.length;
  const isMixed = view.axes.some((atoms, axis) => {
    const isToldApart = (shape[axis - missing] ?? 1) > 1;
    return isToldApart && atoms.some((atom) => atom.axis === 3) && atoms.some((atom) => atom.axis !== 3);
  });
  return isMixed ? to.flattened(view) : view;
}

/**
 * A constant as one number, or one for each channel of the view's value.
 *
 * @throws {UnsupportedError} if it has a number for each position of a picture
 */
function channelNumbers(to: Importer, view: View, { shape, data }: Constant): number | Float64Array {
  if (data.length === 1) return data[0] as number;
  const missing = view.axes.length - shape.length;
  const lengths = shapeOf(view.axes);
  const last = view.value.shape.length - 1;
  /** Atoms that the constant tells apart, with the stride of its elements for each. */
  const steps: { readonly atom: Atom; readonly step: number }[] = [];
  for (const [axis, length] of shape.entries()) {
    if (length === 1) continue;
    const atoms = view.axes[axis + missing] as readonly Atom[];
    if (length !== lengths[axis + missing] || atoms.some((atom) => atom.axis !== last)) {
      throw to.unsupported(
        `combines a tensor of shape ${lengths.join("x")} with a constant of shape ${shape.join("x")}; one number for each channel is read`,
      );
    }
    let step = elementCount(shape.slice(axis + 1));
    for (const atom of atoms.toReversed()) {
      steps.push({ atom, step });
      step *= atom.length;
    }
  }
  const channels = view.value.shape[last] as number;
  to.budget.spend(8 * channels, "A number for each channel");
  return Float64Array.from({ length: channels }, (_, c) => {
    const position = steps.reduce((sum, { atom, step }) => sum + (Math.floor(c / atom.stride) % atom.length) * step, 0);
    return data[position] as number;
  });
}

/** The sum of two values of one shape. */
function add(to: Importer, a: View, b: View): View {
  const [x, y] = alike(to, a, b) ?? [];
  if (x === undefined || y === undefined) throw mismatch(to, "adds", a, b);
  return viewOf(to.emit({ op: "add", activation: "none" }, [x.value, y.value]), x.axes);
}

/** The product of two values of one shape, or of one and a number for each of its channels. Gates by a value's own sigmoid are activations. */
function multiply(to: Importer, a: View, b: View): View {
  const [x, y] = [to.asSettled(a), to.asSettled(b)];
  const [first, second] = [onlyScale(x), onlyScale(y)];
  if (first === undefined || second === undefined) return multiplySettled(to, to.settle(x), to.settle(y));
  // Numbers for all channels are put off: what comes next may undo them.
  const [bareX, bareY]: readonly [View, View] = [
    { ...x, affine: undefined },
    { ...y, affine: undefined },
  ];
  const product = gate(to, bareX, bareY) ?? gate(to, bareY, bareX) ?? multiplySettled(to, bareX, bareY);
  return to.withAffine(product, first * second, 0);
}

/** The number that is all that is left to be done to a view. */
function onlyScale({ affine }: View): number | undefined {
  if (affine === undefined) return 1;
  return affine.shift === 0 && typeof affine.scale === "number" ? affine.scale : undefined;
}

const gates: { readonly [A in Activation]?: Activation } = { sigmoid: "swish", hard_sigmoid: "hard_swish" };

/** The activation that a value times its own sigmoid, or hard sigmoid, is. */
function gate(to: Importer, { value, axes }: View, factor: View): View | undefined {
  const { operation, inputs } = to.operationOf(factor.value);
  const activation = operation.op === "activation" ? gates[operation.activation] : undefined;
  if (activation === undefined || inputs[0]?.id !== value.id || !sameAxes(axes, factor.axes)) return undefined;
  return viewOf(to.emit({ op: "activation", activation }, [value]), axes);
}

function multiplySettled(to: Importer, a: View, b: View): View {
  const rank = Math.max(a.axes.length, b.axes.length);
  const [x, y] = [alignedTo(to, a, rank), alignedTo(to, b, rank)];
  const same = sameShape(shapeOf(x.axes), shapeOf(y.axes)) ? alike(to, x, y) : undefined;
  if (same !== undefined) return viewOf(to.emit({ op: "multiply" }, [same[0].value, same[1].value]), same[0].axes);
  for (const [picture, scale] of [
    [x, y],
    [y, x],
  ] as const) {
    const [whole, factor] = [to.canonical(picture), to.canonical(scale)];
    if (whole.value.shape.length !== 4 || spanOf(factor.axes.flat()) > spanOf(whole.axes.flat())) continue;
    const lifted = to.canonical(to.lifted(factor));
    if (isChannelScale(whole, lifted))
      return viewOf(to.emit({ op: "multiply" }, [whole.value, lifted.value]), whole.axes);
  }
  throw mismatch(to, "multiplies", a, b);
}

/** Whether the second is a number for each picture and channel of the first. */
function isChannelScale(picture: View, scale: View): boolean {
  const [n, , , c] = picture.value.shape as readonly [number, number, number, number];
  if (!sameShape(scale.value.shape, [n, 1, 1, c])) return false;
  const withoutPixels: Axes = picture.axes.map((atoms) => atoms.filter(({ axis }) => axis === 0 || axis === 3));
  return sameAxes(withoutPixels, scale.axes);
}

/** Both views settled, on values of one shape, through the same axes; undefined where they are not to be had. */
function alike(to: Importer, a: View, b: View): readonly [View, View] | undefined {
  const rank = Math.max(a.axes.length, b.axes.length);
  const [x, y] = [to.settle(a), to.settle(b)].map((view) => alignedTo(to, view, rank)) as [View, View];
  const forms = [
    (view: View) => view,
    (view: View) => to.canonical(view),
    (view: View) => to.canonical(to.flattened(view)),
  ];
  const isWorthFlattening = x.value.shape.length !== y.value.shape.length;
  for (const form of isWorthFlattening ? forms.slice(2) : forms.slice(0, 2)) {
    const [first, second] = [form(x), form(y)];
    if (sameShape(first.value.shape, second.value.shape) && sameAxes(first.axes, second.axes)) return [first, second];
  }
  return undefined;
}

function mismatch(to: Importer, verb: string, a: View, b: View): Error {
  const shapes = [a, b].map(({ axes }) => shapeOf(axes).join("x") || "scalar");
  return to.unsupported(
    `${verb} computed tensors of shapes ${shapes[0]} and ${shapes[1]}; two of one shape and layout are read, and a factor for each channel`,
  );
}
