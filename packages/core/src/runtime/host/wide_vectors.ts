/** Node's interface to V8's flags, as far as we use it. */
interface Host {
  readonly process?: { getBuiltinModule?(name: "node:v8"): { setFlagsFromString(flags: string): void } };
}

/**
 * Asks V8 to join pairs of 128-bit vector operations into 256-bit ones, in every module that this process compiles from now on. The flag
 * is experimental: whoever compiles with `wide` chose it. Other hosts offer no such switch, and nothing happens there.
 */
export function joinVectors(): void {
  const host = globalThis as unknown as Host;
  host.process?.getBuiltinModule?.("node:v8").setFlagsFromString("--experimental-wasm-revectorize");
}
