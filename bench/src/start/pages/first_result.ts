/** What a page says of its start. Milliseconds since the navigation began. */
export interface FirstResult {
  /** When the network could run. */
  readonly readyMs: number;
  /** When the output was there. */
  readonly resultMs: number;
  readonly output: Float32Array;
}

declare global {
  /** Set by the page's script. */
  var firstResult: Promise<FirstResult> | undefined;
}

/** The shape of the picture that the page is to run: `[1, H, W, C]`. */
export function shape(): readonly [number, number, number, number] {
  return JSON.parse(document.getElementById("shape")?.textContent ?? "") as [number, number, number, number];
}

/** The same picture in every page, in the layout that the runtime takes. */
export function picture(layout: "channels last" | "channels first" = "channels last"): Float32Array<ArrayBuffer> {
  const [, height, width, channels] = shape();
  const pixels = height * width;
  const numbers = new Float32Array(pixels * channels);
  for (let i = 0; i < numbers.length; i++) {
    // A multiplicative hash, from -1 to 1.
    const value = (Math.imul(i + 1, 0x9e3779b1) | 0) / 2 ** 31;
    numbers[layout === "channels last" ? i : (i % channels) * pixels + Math.floor(i / channels)] = value;
  }
  return numbers;
}

/** Loads the network, runs it once, and leaves in `firstResult` when that was done. */
export function reportFirstResult(load: () => Promise<() => Float32Array | Promise<Float32Array>>): void {
  globalThis.firstResult = (async () => {
    const run = await load();
    const readyMs = performance.now();
    const output = await run();
    return { readyMs, resultMs: performance.now(), output };
  })();
}

/** A file of the page, which is fetched while the runtime starts. */
export async function fetchBytes(file: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fetch(file)).arrayBuffer());
}
