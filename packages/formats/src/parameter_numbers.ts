import {
  elementCount,
  formatShape,
  type Graph,
  nodesOf,
  sameShape,
  toFloat32,
  type Weights,
  WeightsError,
} from "@depthwise/core";

/**
 * The numbers of every parameter of a graph as float32, by name.
 *
 * @throws {WeightsError} listing every parameter that is missing or of another shape
 */
export function parameterNumbers(graph: Graph, weights: Weights): ReadonlyMap<string, Float32Array> {
  const numbers = new Map<string, Float32Array>();
  const problems: string[] = [];
  for (const { name, shape } of nodesOf(graph, "parameter")) {
    const given = weights.get(name);
    if (given === undefined) {
      problems.push(`"${name}": missing, expected ${formatShape(shape)}`);
    } else if (!sameShape(given.shape, shape)) {
      problems.push(`"${name}": expected ${formatShape(shape)}, received ${formatShape(given.shape)}`);
    } else if (given.data.length !== elementCount(shape)) {
      problems.push(
        `"${name}": ${formatShape(shape)} needs ${elementCount(shape)} elements, received ${given.data.length}`,
      );
    } else {
      numbers.set(name, toFloat32(given));
    }
  }
  if (problems.length > 0) {
    throw new WeightsError(`The weights do not fit graph "${graph.name}":\n  ${problems.join("\n  ")}`);
  }
  return numbers;
}
