import { type Graph, nodesOf, type Shape } from "@depthwise/core";

/** The only input's shape `[N, H, W, C]`. */
export function inputShape(graph: Graph): readonly [number, number, number, number] {
  return nodesOf(graph, "input")[0]?.shape as readonly [number, number, number, number];
}

/** `[N, H, W, C]` as `[N, C, H, W]`. */
export function toChannelsFirst(input: Float32Array, shape: Shape): { data: Float32Array; dims: number[] } {
  const [n, h, w, c] = shape as readonly [number, number, number, number];
  const data = new Float32Array(input.length);
  const pixels = h * w;
  for (let picture = 0; picture < n; picture++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let channel = 0; channel < c; channel++) {
        const from = (picture * pixels + pixel) * c + channel;
        data[(picture * c + channel) * pixels + pixel] = input[from] as number;
      }
    }
  }
  return { data, dims: [n, c, h, w] };
}
