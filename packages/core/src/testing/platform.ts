/** What the engine that runs this can do, as far as compiled modules care. */
export interface Platform {
  readonly relaxedSimd: boolean;
  readonly sharedMemory: boolean;
  readonly waits: boolean;
}

/** (func (result v128) (f32x4.relaxed_madd (i8x16.splat 1) (i8x16.splat 1) (i8x16.splat 1))), assembled by hand. */
const relaxedMadd: Uint8Array<ArrayBuffer> = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // types: [] -> [v128]
  ...[0x03, 0x02, 0x01, 0x00], // functions: one, of type 0
  ...[0x0a, 0x13, 0x01, 0x11, 0x00], // code: one body of 17 bytes, no locals
  ...[0x41, 0x01, 0xfd, 0x0f, 0x41, 0x01, 0xfd, 0x0f, 0x41, 0x01, 0xfd, 0x0f], // three splats
  ...[0xfd, 0x85, 0x02, 0x0b], // f32x4.relaxed_madd, end
]);

/** Asks the engine; runs in Node and in pages. */
export function probePlatform(): Platform {
  return {
    relaxedSimd: WebAssembly.validate(relaxedMadd),
    sharedMemory:
      typeof SharedArrayBuffer === "function" &&
      new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof SharedArrayBuffer,
    waits: typeof Atomics.wait === "function",
  };
}

/** Twice each number: shows that typed arrays travel into the page and back. */
export function doubled(values: Float32Array): Float32Array {
  return values.map((value) => 2 * value);
}
