/** Floats of a network's input or output in the module's memory. */
export interface PortManifest {
  readonly name: string;
  /** `[N, H, W, C]` or `[N, C]`. */
  readonly shape: readonly number[];
  /** Address of the first float, in bytes. */
  readonly offset: number;
  readonly elements: number;
}

/** One step of the program, in the order they run. */
export interface StepManifest {
  /** The node it computes, or the first and the last one where several run band by band. */
  readonly name: string;
  /** Its operation, or `copy`, `output`, `bands`. */
  readonly op: string;
  /** Multiply-accumulates for one picture. */
  readonly macs: number;
  /** Names of the generated functions it calls. */
  readonly kernels: readonly string[];
  /** What decides how long they take beside their names; undefined where nothing does. Steps with equal kernels and variants do equal work. */
  readonly variant?: string;
  /** Bytes of activations and weights that it moves for one picture: what stays in a band is not counted. */
  readonly movedBytes: number;
  /** The same if nothing ran in bands. */
  readonly movedBytesWithoutBands: number;
}

/** The weights until `initialize` puts them in place. */
export interface StoredManifest {
  readonly type: "f32" | "f16" | "int8";
  /** Whether they come beside the module; else they are its data section. */
  readonly split: boolean;
  /** Address where split weights have to be before `initialize` is called. */
  readonly offset: number;
  readonly bytes: number;
}

/** What a host must know of a compiled module. Plain JSON. */
export interface Manifest {
  readonly name: string;
  readonly inputs: readonly PortManifest[];
  readonly outputs: readonly PortManifest[];
  readonly simd: "relaxed" | "plain";
  readonly wide: boolean;
  /** Most threads that may run it together. */
  readonly threads: number;
  /** Pages of 65,536 bytes that the module's memory needs. */
  readonly pages: number;
  /** Bytes of packed weights and tables in memory. */
  readonly weightBytes: number;
  /** Bytes that `initialize` makes of the weights, behind them: transformed for minimal filtering. Undefined where there are none. */
  readonly transformedBytes?: number;
  /** How they travel. */
  readonly stored: StoredManifest;
  /** Bytes of activations. */
  readonly arenaBytes: number;
  /** The most bytes of activations alive at once. */
  readonly arenaLowerBound: number;
  /** Address of the times that a profiling build writes, one float64 a step and one more; undefined in other builds. */
  readonly profileOffset?: number;
  readonly macs: number;
  readonly steps: readonly StepManifest[];
}

/** A network as one WebAssembly module. */
export interface Compiled {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly manifest: Manifest;
  /** The stored weights of a module that was compiled with `split`. */
  readonly weights?: Uint8Array<ArrayBuffer>;
}
