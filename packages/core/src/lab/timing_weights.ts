import { type Graph, isNode } from "../graph/graph.ts";
import { seededRandom } from "../random.ts";
import { elementCount, type Tensor, tensor, type Weights } from "../tensor.ts";

/** Numbers drawn once and repeated: a time does not depend on the weights, as long as no value becomes so small that processors stumble. */
const drawn = 4093;

/**
 * Weights for measuring: cheap to make, and of a size that keeps activations near 1 (uniform, variance 2 / fan in; statistics that
 * change nothing).
 */
export function timingWeights(graph: Graph): Weights {
  const random = seededRandom(0, "timing weights");
  const pattern = Float32Array.from({ length: drawn }, () => 2 * random.uniform() - 1);
  const weights = new Map<string, Tensor>();
  for (const node of graph.nodes) {
    if (!isNode(node, "parameter")) continue;
    const { shape, initializer } = node.operation;
    const count = elementCount(shape);
    const data = new Float32Array(count);
    if (initializer.kind === "constant") data.fill(initializer.value);
    else {
      const reach = Math.sqrt((6 * (shape.at(-1) ?? 1)) / count);
      for (let start = 0; start < count; start += drawn)
        data.set(pattern.subarray(0, Math.min(drawn, count - start)), start);
      for (let i = 0; i < count; i++) data[i] = (data[i] as number) * reach;
    }
    weights.set(node.name, tensor(shape, data));
  }
  return weights;
}
