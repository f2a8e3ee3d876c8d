/**
 * The parts of the web platform that Node 20 and later, pages and workers all have, as far as core uses them. Core is checked
 * against this file alone, without Node or DOM types: what is not declared here does not exist everywhere.
 */

type BufferSource = ArrayBufferView<ArrayBuffer> | ArrayBuffer;

declare namespace WebAssembly {
  type ExportValue = ((...args: number[]) => number | undefined) | Memory | Global;
  type Exports = Record<string, ExportValue>;
  type ImportValue = ((...args: number[]) => unknown) | Memory | Global;
  type Imports = Record<string, Record<string, ImportValue>>;

  interface Module {
    readonly [Symbol.toStringTag]: string;
  }
  interface Instance {
    readonly exports: Exports;
  }
  interface Memory {
    /** A SharedArrayBuffer where the memory is shared; typed arrays take either. */
    readonly buffer: ArrayBuffer;
    /** @param delta in pages of 65,536 bytes; returns the old length in pages */
    grow(delta: number): number;
  }
  interface Global {
    value: number;
  }
  interface MemoryDescriptor {
    initial: number;
    maximum?: number;
    shared?: boolean;
  }
  interface CompileError extends Error {}
  interface RuntimeError extends Error {}

  const Module: {
    new (bytes: BufferSource): Module;
    exports(module: Module): { kind: string; name: string }[];
    imports(module: Module): { kind: string; module: string; name: string }[];
    customSections(module: Module, name: string): ArrayBuffer[];
  };
  const Instance: { new (module: Module, imports?: Imports): Instance };
  const Memory: { new (descriptor: MemoryDescriptor): Memory };
  const Global: { new (descriptor: { value: "i32" | "f32" | "f64"; mutable?: boolean }, value?: number): Global };
  const CompileError: { new (message?: string): CompileError };
  const RuntimeError: { new (message?: string): RuntimeError };

  function validate(bytes: BufferSource): boolean;
  function compile(bytes: BufferSource): Promise<Module>;
  function compileStreaming(source: Response | Promise<Response>): Promise<Module>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
}

interface TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}
declare const TextEncoder: { new (): TextEncoder };

interface TextDecoder {
  decode(bytes?: ArrayBufferView | ArrayBufferLike): string;
}
declare const TextDecoder: { new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder };

declare function setTimeout(callback: () => void, milliseconds: number): unknown;

declare const performance: { now(): number };

interface URL {
  readonly href: string;
  readonly protocol: string;
}
declare const URL: { new (url: string | URL, base?: string | URL): URL };

interface ImportMeta {
  readonly url: string;
}

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
}

interface Response {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  arrayBuffer(): Promise<ArrayBuffer>;
  text(): Promise<string>;
}
declare function fetch(url: string | URL, options?: { signal?: AbortSignal }): Promise<Response>;

/** Missing in pages that are not cross-origin isolated. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: this declares the platform's own.
declare const SharedArrayBuffer: { new (bytes: number): ArrayBuffer } | undefined;
/** Of pages and workers; Node has none. */
declare var crossOriginIsolated: boolean | undefined;

declare const console: { warn(message: string): void };
