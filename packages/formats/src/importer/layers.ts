/** Layers of foreign graphs that work on channels: linear ones, batch norm, softmax. */
import { plainConvolution, type Shape, type Value } from "@depthwise/core";
import { type Atom, mergeAtoms, sameAtoms, shapeOf, wholeAxis } from "./axes.ts";
import { type Constant, type View, viewOf } from "./foreign_value.ts";
import type { Importer } from "./importer.ts";

/** The weights of a linear layer. */
export interface LinearAttributes {
  /** `[in, out]`, or `[out, in]`. */
  readonly kernel: Constant;
  readonly isOutFirst: boolean;
  readonly bias: Constant | undefined;
  /** Factor of the kernel. Default 1. */
  readonly scale?: number;
}

/**
 * A linear layer over the last axis. Channels and pixels come in the foreign order: the rows of the kernel are put into ours.
 *
 * @throws {UnsupportedError} if the last axis is not all that each picture of the batch, or each of its pixels, has
 */
export function linear(to: Importer, view: View, attributes: LinearAttributes): View {
  const { kernel } = attributes;
  const settled = to.settle(view);
  const inputs = kernel.shape[attributes.isOutFirst ? 1 : 0];
  const length = shapeOf(settled.axes).at(-1);
  if (kernel.shape.length !== 2 || length !== inputs) {
    throw to.unsupported(
      `a linear layer of kernel ${kernel.shape.join("x")} reads an axis of ${length ?? "no"} channels`,
    );
  }
  const flat = to.flattened(settled);
  const last = flat.axes.at(-1) as readonly Atom[];
  const leading = flat.axes.slice(0, -1);
  if (last.every(({ axis }) => axis === 1) && leading.flat().every(({ axis }) => axis === 0)) {
    return linearOn(to, flat, attributes);
  }
  const atoms = settled.axes.at(-1) as readonly Atom[];
  const isAllChannels = settled.value.shape.length === 4 && [...atoms].every(({ axis }) => axis === 3);
  if (isAllChannels && length === settled.value.shape[3]) return linearOn(to, settled, attributes);
  throw to.unsupported(
    `a linear layer reads the last axis of ${shapeOf(settled.axes).join("x")}, which is a part of the channels`,
  );
}

/** On `[N, C]` a linear layer, on pictures a convolution of one pixel. */
function linearOn(to: Importer, { value, axes }: View, attributes: LinearAttributes): View {
  const { kernel, isOutFirst, bias } = attributes;
  const last = value.shape.length - 1;
  const rows = mergeAtoms(axes.at(-1) as readonly Atom[]);
  const [inputs, out] = (isOutFirst ? kernel.shape.toReversed() : kernel.shape) as readonly [number, number];
  const shape: Shape = last === 1 ? [inputs, out] : [1, 1, inputs, out];
  const weights = to.parameterOf(
    "kernel",
    kernel,
    `linear ${JSON.stringify([rows, isOutFirst, attributes.scale, last])}`,
    () => to.parameter("kernel", shape, orderedKernel(to, attributes, rows, inputs, out)),
  );
  const offsets = bias === undefined ? [] : [to.listParameter("bias", bias)];
  const hasBias = bias !== undefined;
  const result =
    last === 1
      ? to.emit({ op: "linear", bias: hasBias, activation: "none" }, [value, weights, ...offsets])
      : to.emit({ ...plainConvolution, bias: hasBias }, [value, weights, ...offsets]);
  return viewOf(result, axes.with(-1, wholeAxis(last, out)));
}

/** `[in, out]` with its rows where our channels are. */
function orderedKernel(
  to: Importer,
  { kernel, isOutFirst, scale = 1 }: LinearAttributes,
  rows: readonly Atom[],
  inputs: number,
  out: number,
): Float32Array {
  const { data } = kernel;
  to.budget.spend(4 * data.length, "The network's weights");
  const isInOrder = sameAtoms(rows, wholeAxis(rows[0]?.axis ?? 0, inputs));
  const positions = isInOrder ? undefined : to.positions(rows);
  const ordered = new Float32Array(data.length);
  const [inStride, outStride] = isOutFirst ? [1, inputs] : [out, 1];
  for (let i = 0; i < inputs; i++) {
    const row = (positions?.[i] ?? i) * out;
    for (let o = 0; o < out; o++) ordered[row + o] = (data[i * inStride + o * outStride] as number) * scale;
  }
  return ordered;
}

/** The statistics of a batch norm. */
export interface BatchNormAttributes {
  readonly gamma: Constant;
  readonly beta: Constant;
  readonly mean: Constant;
  readonly variance: Constant;
  readonly epsilon: number;
}

/** Batch norm of the channels, which lie on the given foreign axis. */
export function batchNorm(to: Importer, view: View, axis: number, attributes: BatchNormAttributes): View {
  const { gamma, beta, mean, variance, epsilon } = attributes;
  const { value, axes } = to.channelsOn(view, axis);
  const statistics: readonly Value[] = [
    to.listParameter("gamma", gamma),
    to.listParameter("beta", beta),
    to.listParameter("mean", mean, false),
    to.listParameter("variance", variance, false),
  ];
  return viewOf(to.emit({ op: "batch_norm", epsilon }, [value, ...statistics]), axes);
}

/** Softmax over some foreign axes, which together are all channels. */
export function softmax(to: Importer, view: View, axes: readonly number[]): View {
  const settled = to.settle(view);
  for (const candidate of [settled, ...(settled.value.shape.length === 4 ? [to.flattened(settled)] : [])]) {
    const last = candidate.value.shape.length - 1;
    const own = axes.flatMap((axis) => candidate.axes[axis] as readonly Atom[]);
    const others = candidate.axes.flatMap((atoms, axis) => (axes.includes(axis) ? [] : atoms));
    if (own.every(({ axis }) => axis === last) && others.every(({ axis }) => axis !== last)) {
      return viewOf(to.emit({ op: "softmax" }, [candidate.value]), candidate.axes);
    }
  }
  throw to.unsupported(`softmax over axes ${axes.join()} of ${shapeOf(view.axes).join("x")}; all channels are read`);
}
