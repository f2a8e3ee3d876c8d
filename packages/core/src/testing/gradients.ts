import { seededRandom } from "../random.ts";
import { elementCount, type Shape, type Tensor, toFloat32, type Weights } from "../tensor.ts";
import { interpretStep } from "../train/interpret_step.ts";
import type { StepGraph } from "../train/step_graph.ts";

/** Numbers in double, by name. */
export type Doubles = ReadonlyMap<string, Tensor<"f64">>;

/** A tensor of doubles. */
export function doubles(shape: Shape, draw: (index: number) => number): Tensor<"f64"> {
  return { dtype: "f64", shape, data: Float64Array.from({ length: elementCount(shape) }, (_, index) => draw(index)) };
}

/** Weights in double. */
export function toDoubles(weights: Weights): Doubles {
  return new Map(
    [...weights].map(([name, source]) => {
      const data = source.dtype === "f64" ? (source.data as Float64Array) : toFloat32(source);
      return [name, doubles(source.shape, (index) => data[index] as number)];
    }),
  );
}

/** Numbers for a step's inputs: soft targets that sum to 1, masks of 0 and 2, normal numbers else. */
export function drawnStepInputs(step: StepGraph, seed: number): Record<string, Tensor<"f64">> {
  const inputs = step.nodes.filter(({ operation }) => operation.op === "input");
  return Object.fromEntries(
    inputs.map(({ name, shape }) => {
      const random = seededRandom(seed, name);
      if (name === "targets") return [name, softTargets(shape, seed)];
      return [name, doubles(shape, name.startsWith("mask:") ? () => 2 * random.below(2) : random.normal)];
    }),
  );
}

function softTargets(shape: Shape, seed: number): Tensor<"f64"> {
  const random = seededRandom(seed, "targets");
  const targets = doubles(shape, () => random.uniform());
  const classes = shape[1] as number;
  for (let start = 0; start < targets.data.length; start += classes) {
    const row = targets.data.subarray(start, start + classes);
    const sum = row.reduce((a, b) => a + b, 0);
    row.forEach((value, c) => {
      row[c] = value / sum;
    });
  }
  return targets;
}

/** The step's mean loss, from its forward pass alone. */
function meanLoss(step: StepGraph, weights: Doubles, inputs: Readonly<Record<string, Tensor>>): number {
  const forward: StepGraph = {
    ...step,
    nodes: step.nodes.slice(0, step.loss + 1),
    gradients: new Map(),
  };
  const { data } = interpretStep(forward, weights, inputs, { precision: "f64" }).loss;
  return data.reduce((sum, loss) => sum + loss, 0) / data.length;
}

/** How far each element is moved. The error of the central difference is about its square, and that of rounding 1e-16 over it. */
const elementStep = 1e-5;

/**
 * Every element of every gradient against central differences of the loss.
 *
 * @returns by parameter: the largest difference, as a share of the parameter's largest gradient
 */
export function elementErrors(
  step: StepGraph,
  weights: Doubles,
  inputs: Readonly<Record<string, Tensor>>,
): Record<string, number> {
  const { gradients } = interpretStep(step, weights, inputs, { precision: "f64" });
  return Object.fromEntries(
    [...gradients].map(([name, { data }]) => {
      let largest = 0;
      let difference = 0;
      for (const [index, gradient] of data.entries()) {
        const at = (offset: number): number => meanLoss(step, moved(weights, name, index, offset), inputs);
        const numeric = (at(elementStep) - at(-elementStep)) / (2 * elementStep);
        largest = Math.max(largest, Math.abs(numeric));
        difference = Math.max(difference, Math.abs(gradient - numeric));
      }
      return [name, difference / largest];
    }),
  );
}

function moved(weights: Doubles, name: string, index: number, offset: number): Doubles {
  const { shape, data } = weights.get(name) as Tensor<"f64">;
  const changed = new Map(weights);
  changed.set(
    name,
    doubles(shape, (i) => (data[i] as number) + (i === index ? offset : 0)),
  );
  return changed;
}

/** How far all parameters are moved, in turns: where one crosses a kink, or drowns in rounding, another does not. */
const directionSteps = [1e-6, 1e-7, 1e-8, 1e-9];

/**
 * The derivative of the loss along a random direction of all trainable parameters against central differences: the smallest difference
 * over some step sizes, as a share of what such a derivative is about (its deviation over random signs).
 */
export function directionError(
  step: StepGraph,
  weights: Doubles,
  inputs: Readonly<Record<string, Tensor>>,
  seed: number,
): number {
  const { gradients } = interpretStep(step, weights, inputs, { precision: "f64" });
  let derivative = 0;
  let squares = 0;
  const direction = new Map<string, Float64Array>();
  for (const [name, { data }] of gradients) {
    const random = seededRandom(seed, name);
    const along = Float64Array.from(data, () => random.normal());
    direction.set(name, along);
    for (const [index, gradient] of data.entries()) {
      derivative += gradient * (along[index] as number);
      squares += (gradient * (along[index] as number)) ** 2;
    }
  }
  const at = (size: number): number => meanLoss(step, movedAlong(weights, direction, size), inputs);
  const differences = directionSteps.map((size) => Math.abs((at(size) - at(-size)) / (2 * size) - derivative));
  return Math.min(...differences) / Math.sqrt(squares);
}

function movedAlong(weights: Doubles, direction: ReadonlyMap<string, Float64Array>, size: number): Doubles {
  return new Map(
    [...weights].map(([name, source]) => {
      const along = direction.get(name);
      if (along === undefined) return [name, source];
      return [name, doubles(source.shape, (i) => (source.data[i] as number) + size * (along[i] as number))];
    }),
  );
}
