import { GraphError, ShapeError } from "../errors.ts";
import { namedInferShape } from "../graph/graph.ts";
import { activations, inferShape, type Operation, type OperationOf, plainConvolution } from "../graph/operations.ts";
import { elementCount, formatShape, type Shape, sameShape } from "../tensor.ts";
import type { GradientOperation, StepGraph, StepOperation, StepOperationOf } from "./step_graph.ts";

type GradientName = GradientOperation["op"];

/** Gives the output's shape, or throws a ShapeError that says what was expected and what came. */
type ShapeRule<K extends GradientName> = (operation: StepOperationOf<K>, inputs: readonly Shape[]) => Shape;

type Picture = readonly [n: number, h: number, w: number, c: number];

function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ShapeError(message);
}

/** The inputs' shapes, as many as the names. */
function take(inputs: readonly Shape[], ...names: readonly string[]): readonly Shape[] {
  const expected = `${names.length} ${names.length === 1 ? "input" : "inputs"} (${names.join(", ")})`;
  expect(inputs.length === names.length, `expects ${expected}, received ${inputs.length}`);
  return inputs;
}

function expectSame(what: string, received: Shape, expected: Shape): void {
  expect(
    sameShape(received, expected),
    `expects a ${what} of shape ${formatShape(expected)}, received ${formatShape(received)}`,
  );
}

function picture(what: string, shape: Shape): Picture {
  expect(shape.length === 4, `expects [N, H, W, C] as its ${what}, received ${formatShape(shape)}`);
  return shape as Picture;
}

function matrix(what: string, shape: Shape): readonly [rows: number, columns: number] {
  expect(shape.length === 2, `expects two axes as its ${what}, received ${formatShape(shape)}`);
  return shape as readonly [number, number];
}

function channelsOf(shape: Shape): number {
  expect(shape.length >= 1, "expects an input with channels, received a scalar");
  return shape.at(-1) as number;
}

interface Normalization {
  readonly epsilon: number;
  readonly activation: OperationOf<"activation">["activation"];
}

/** Checks what the three operations of batch norm share. Returns the number of channels. */
function normalization({ epsilon, activation }: Normalization, x: Shape, parameters: readonly Shape[]): number {
  expect(
    Number.isFinite(epsilon) && epsilon >= 0,
    `epsilon must be a finite number of at least 0, received ${epsilon}`,
  );
  expectActivation(activation);
  const channels = channelsOf(x);
  const [moments, gamma, beta] = parameters as [Shape, Shape, Shape];
  expectSame("second input (moments)", moments, [2, channels]);
  expectSame("gamma", gamma, [channels]);
  expectSame("beta", beta, [channels]);
  return channels;
}

function expectActivation(activation: Normalization["activation"]): void {
  expect(activations.includes(activation), `unknown activation "${activation}". Use one of ${activations.join(", ")}`);
}

/** Checks that the gradient is of the output of `operation` on the inputs. */
function expectGradientOf(operation: Operation, inputs: readonly Shape[], gradient: Shape): void {
  expectSame("gradient", gradient, inferShape(operation, inputs));
}

const rules = {
  moments: (_, inputs) => {
    const [x] = take(inputs, "x") as [Shape];
    return [2, channelsOf(x)];
  },
  normalize: (operation, inputs) => {
    const [x, ...parameters] = take(inputs, "x", "moments", "gamma", "beta") as [Shape, ...Shape[]];
    normalization(operation, x, parameters);
    return x;
  },
  normalize_sums: (operation, inputs) => {
    const [gradient, x, ...parameters] = take(inputs, "gradient", "x", "moments", "gamma", "beta") as [
      Shape,
      Shape,
      ...Shape[],
    ];
    expectSame("gradient", gradient, x);
    return [2, normalization(operation, x, parameters)];
  },
  normalize_gradient: (operation, inputs) => {
    const names = ["gradient", "x", "moments", "gamma", "beta", ...(inputs.length === 5 ? [] : ["sums"])];
    const [gradient, x, ...parameters] = take(inputs, ...names) as [Shape, Shape, ...Shape[]];
    expectSame("gradient", gradient, x);
    const channels = normalization(operation, x, parameters);
    if (parameters[3] !== undefined) expectSame("sixth input (sums)", parameters[3], [2, channels]);
    return x;
  },
  row: ({ index }, inputs) => {
    const [rows, channels] = matrix("input", take(inputs, "x")[0] as Shape);
    expect(Number.isInteger(index) && index >= 0 && index < rows, `index ${index} is not one of ${rows} rows`);
    return [channels];
  },
  activation_gradient: ({ activation }, inputs) => {
    const [gradient, x] = take(inputs, "gradient", "x") as [Shape, Shape];
    expectActivation(activation);
    expectSame("gradient", gradient, x);
    return x;
  },
  softmax_gradient: (_, inputs) => {
    const [gradient, y] = take(inputs, "gradient", "y") as [Shape, Shape];
    channelsOf(y);
    expectSame("gradient", gradient, y);
    return y;
  },
  transpose_kernel: ({ groups }, inputs) => {
    const [kernel] = take(inputs, "kernel") as [Shape];
    expect(kernel.length === 4, `expects a kernel [kh, kw, in/groups, out], received ${formatShape(kernel)}`);
    const [kh, kw, perGroup, out] = kernel as Picture;
    expect(Number.isInteger(groups) && groups >= 1 && out % groups === 0, `groups ${groups} does not divide ${out}`);
    return [kh, kw, out / groups, perGroup * groups];
  },
  transpose: (_, inputs) => {
    const [rows, columns] = matrix("input", take(inputs, "x")[0] as Shape);
    return [columns, rows];
  },
  dilate: ({ stride, height, width }, inputs) => {
    const [n, h, w, c] = picture("gradient", take(inputs, "gradient")[0] as Shape);
    const rows = (h - 1) * stride[0] + 1;
    const columns = (w - 1) * stride[1] + 1;
    expect(
      height >= rows && width >= columns,
      `${h}x${w} pixels at stride ${stride.join("x")} need ${rows}x${columns}, but the output has ${height}x${width}`,
    );
    return [n, height, width, c];
  },
  kernel_gradient: ({ kernel, stride, padding, dilation, groups }, inputs) => {
    const [x, gradient] = take(inputs, "x", "gradient") as [Shape, Shape];
    const channels = picture("first input", x)[3];
    const out = picture("gradient", gradient)[3];
    const shape = [...kernel, channels / groups, out];
    expectGradientOf({ ...plainConvolution, stride, padding, dilation, groups }, [x, shape], gradient);
    return shape;
  },
  linear_kernel_gradient: (_, inputs) => {
    const [x, gradient] = take(inputs, "x", "gradient") as [Shape, Shape];
    const [n, channels] = matrix("first input", x);
    const [others, out] = matrix("gradient", gradient);
    expect(n === others, `expects inputs of the same batch, received ${n} and ${others}`);
    return [channels, out];
  },
  sum_pixels: (_, inputs) => [channelsOf(take(inputs, "x")[0] as Shape)],
  max_pool_gradient: ({ kernel, ceil, stride, padding }, inputs) => {
    const [gradient, x] = take(inputs, "gradient", "x") as [Shape, Shape];
    expectGradientOf({ op: "max_pool", kernel, ceil, stride, padding }, [x], gradient);
    return x;
  },
  average_pool_gradient: ({ kernel, ceil, countIncludePad, height, width, stride, padding }, inputs) => {
    const [n, , , c] = picture("gradient", take(inputs, "gradient")[0] as Shape);
    const shape = [n, height, width, c];
    const operation: Operation = { op: "average_pool", kernel, ceil, countIncludePad, stride, padding };
    expectGradientOf(operation, [shape], inputs[0] as Shape);
    return shape;
  },
  spread: ({ height, width }, inputs) => {
    const [gradient] = take(inputs, "gradient") as [Shape];
    const [n, , , c] = picture("gradient", gradient);
    expectSame("gradient", gradient, [n, 1, 1, c]);
    return [n, height, width, c];
  },
  sum_products: (_, inputs) => {
    const [a, b] = take(inputs, "a", "b") as [Shape, Shape];
    const [n, , , c] = picture("first input", a);
    expectSame("second input", b, a);
    return [n, 1, 1, c];
  },
  embed: ({ start, channels }, inputs) => {
    const [x] = take(inputs, "x") as [Shape];
    const count = channelsOf(x);
    const fits = Number.isInteger(start) && start >= 0 && start + count <= channels;
    expect(fits, `channels ${start} to ${start + count - 1} are not all among the output's ${channels}`);
    return [...x.slice(0, -1), channels];
  },
  crop: ({ padding }, inputs) => {
    const [x] = take(inputs, "x") as [Shape];
    const [n, h, w, c] = picture("input", x);
    const shape = [n, h - padding.top - padding.bottom, w - padding.left - padding.right, c];
    expect(
      Math.min(...shape) >= 1,
      `nothing is left of ${h}x${w} pixels without a border of ${padding.top}+${padding.bottom} rows and ${padding.left}+${padding.right} columns`,
    );
    expectGradientOf({ op: "pad", padding, value: 0 }, [shape], x);
    return shape;
  },
  resize_gradient: ({ height, width }, inputs) => {
    const [n, , , c] = picture("gradient", take(inputs, "gradient")[0] as Shape);
    return [n, height, width, c];
  },
  reshape: ({ shape }, inputs) => {
    const [x] = take(inputs, "x") as [Shape];
    expect(
      elementCount(x) === elementCount(shape),
      `${formatShape(x)} has ${elementCount(x)} elements, ${formatShape(shape)} has ${elementCount(shape)}`,
    );
    return shape;
  },
  softmax_cross_entropy: (_, inputs) => {
    const [logits, targets] = take(inputs, "logits", "targets") as [Shape, Shape];
    const [n] = matrix("first input (logits)", logits);
    expectSame("second input (targets)", targets, logits);
    return [n];
  },
  softmax_cross_entropy_gradient: (_, inputs) => {
    const [logits, targets] = take(inputs, "logits", "targets") as [Shape, Shape];
    matrix("first input (logits)", logits);
    expectSame("second input (targets)", targets, logits);
    return logits;
  },
} satisfies { readonly [K in GradientName]: ShapeRule<K> };

/** Whether only training has this operation; narrows its type. */
export function isGradientOperation(operation: StepOperation): operation is GradientOperation {
  return Object.hasOwn(rules, operation.op);
}

/**
 * The output's shape of an operation of a training step.
 *
 * @throws {ShapeError} that names the node, and says what was expected and what came
 */
export function inferStepShape(name: string, operation: StepOperation, inputs: readonly Shape[]): Shape {
  if (!isGradientOperation(operation)) return namedInferShape(name, operation, inputs);
  try {
    const rule = rules[operation.op] as ShapeRule<GradientName>;
    const shape = rule(operation, inputs);
    expect(
      shape.every((length) => Number.isInteger(length) && length >= 1),
      `lengths must be whole numbers of at least 1, received ${formatShape(shape)}`,
    );
    return shape;
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    throw new ShapeError(`${operation.op} "${name}": ${error.message}${error.message.endsWith(".") ? "" : "."}`, {
      cause: error,
    });
  }
}

/**
 * Checks everything a training step must be: ids that are positions, unique names, inputs that come earlier, shapes that follow from the
 * operations; loss `[N]`, logits `[N, classes]`, gradients of their parameters' shapes, moments `[2, C]` of the counts that are said.
 *
 * @throws {GraphError | ShapeError} naming the node
 */
export function verifyStepGraph(step: StepGraph): void {
  const { name: stepName, nodes } = step;
  const byName = new Map<string, Shape>();
  for (const [position, node] of nodes.entries()) {
    if (node.id !== position) throw new GraphError(`Node "${node.name}" has id ${node.id} at position ${position}.`);
    if (byName.has(node.name)) throw new GraphError(`Two nodes are named "${node.name}".`);
    byName.set(node.name, node.shape);
    const shapes = node.inputs.map((input) => {
      const shape = input < position ? nodes[input]?.shape : undefined;
      if (shape !== undefined) return shape;
      throw new GraphError(`Node "${node.name}" reads value ${input}, which does not come before it.`);
    });
    expectShape(`Node "${node.name}"`, node.shape, inferStepShape(node.name, node.operation, shapes));
  }
  const shapeOf = (what: string, value: number): Shape => {
    const shape = nodes[value]?.shape;
    if (shape === undefined)
      throw new GraphError(`${what} of step "${stepName}" is value ${value}, which is not there.`);
    return shape;
  };
  const logits = shapeOf("The logits", step.logits);
  if (logits.length !== 2) throw new ShapeError(`The logits are ${formatShape(logits)}, expected [N, classes].`);
  expectShape("The loss", shapeOf("The loss", step.loss), [logits[0] as number]);
  for (const [name, value] of step.gradients) {
    const expected = byName.get(name);
    if (expected === undefined)
      throw new GraphError(`Step "${stepName}" has a gradient of "${name}", but no such node.`);
    expectShape(`The gradient of "${name}"`, shapeOf(`The gradient of "${name}"`, value), expected);
  }
  for (const { value, count, mean } of step.moments) {
    const moments = shapeOf(`The moments for "${mean}"`, value);
    const x = nodes[nodes[value]?.inputs[0] ?? -1]?.shape ?? [];
    expectShape(`The moments for "${mean}"`, moments, [2, x.at(-1) ?? 0]);
    if (count === elementCount(x.slice(0, -1))) continue;
    throw new GraphError(`The moments for "${mean}" say that they are of ${count} numbers of ${formatShape(x)}.`);
  }
}

function expectShape(what: string, received: Shape, expected: Shape): void {
  if (sameShape(received, expected)) return;
  throw new ShapeError(`${what} says shape ${formatShape(received)}, but it gives ${formatShape(expected)}.`);
}
