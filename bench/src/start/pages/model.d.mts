/** What the pages need of the `model.mjs` that `depthwise compile` writes. */
export function createModel(): Promise<{ run(input: Float32Array): Float32Array }>;
