import type { Activation, Pair } from "../../graph/operations.ts";
import { i32, v128 } from "../../wasm/instructions.ts";
import type { Local, V128 } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Target } from "../target.ts";
import { activate, activationConstants, madd } from "./simd.ts";
import { type SlidingSpec, type SlidingTile, slidingTiles } from "./sliding_tiles.ts";

/**
 * A grouped convolution with a lane for each group: lane j of a vector is group 4i + j, and each group has its own weights in that
 * lane. Depthwise convolution is the case of one input and one output channel a group; with two or three, as in IGCV1, the channels
 * of a group lie in planes, `inputPlaneBytes` apart.
 *
 * A tile of output columns shares its loads: an input vector is multiplied with each tap that sees it.
 */
export interface GroupwiseSpec extends SlidingSpec {
  /** Vectors that are computed together: two where the engine joins them into one of 256 bits, else one. */
  readonly block: 1 | 2;
  readonly kernel: Pair;
  readonly dilation: Pair;
  /** Distance of each input channel of a group from the first one. */
  readonly inputPlaneBytes: readonly number[];
  /** Distance of each output channel of a group from the first one. */
  readonly outputPlaneBytes: readonly number[];
  readonly activation: Activation;
}

/** Floats of packed weights: for each of `vectors` vectors of groups the biases, then the taps, of each output channel. */
export function packedGroupwiseFloats(
  { kernel, inputPlaneBytes, outputPlaneBytes }: Pick<GroupwiseSpec, "kernel" | "inputPlaneBytes" | "outputPlaneBytes">,
  vectors: number,
): number {
  return vectors * LANES * outputPlaneBytes.length * (1 + kernel[0] * kernel[1] * inputPlaneBytes.length);
}

/**
 * Packs weights in the order of their use: block of groups ⊃ output channel ⊃ bias, input channel ⊃ taps.
 *
 * @param groupOf the group in each lane, or −1 for a gap
 */
export function packGroupwise(
  out: Float32Array,
  spec: Pick<GroupwiseSpec, "kernel" | "inputPlaneBytes" | "outputPlaneBytes" | "block">,
  groupOf: readonly number[],
  weight: (kh: number, kw: number, ic: number, oc: number, group: number) => number,
  bias: (oc: number, group: number) => number,
): void {
  const [rows, columns] = spec.kernel;
  const size = spec.block * LANES;
  let at = 0;
  for (let first = 0; first < groupOf.length; first += size) {
    const lanes = groupOf.slice(first, first + size);
    const put = (value: (group: number) => number) => {
      lanes.forEach((group, lane) => {
        if (group >= 0) out[at + lane] = value(group);
      });
      at += size;
    };
    for (const oc of spec.outputPlaneBytes.keys()) {
      put((group) => bias(oc, group));
      for (const ic of spec.inputPlaneBytes.keys()) {
        for (let kh = 0; kh < rows; kh++) {
          for (let kw = 0; kw < columns; kw++) put((group) => weight(kh, kw, ic, oc, group));
        }
      }
    }
  }
}

/**
 * The kernel of a spec. Its units are output rows. Parameters: `input` (the first window's first cell), `weights`, `output`, and the
 * number of `blocks` of vectors at each pixel: layers that differ in nothing else share a function.
 */
export function groupwiseKernel(name: string, spec: GroupwiseSpec, target: Target): Kernel {
  return {
    name,
    params: ["input", "weights", "output", "blocks"],
    emit(f, p) {
      const { input, weights, output, blocks, start, end } = p as Record<
        "input" | "weights" | "output" | "blocks" | "start" | "end",
        Local<"i32">
      >;
      const constants = activationConstants(f, [spec.activation]);
      const at = f.local("w", "i32");
      const [rows, columns] = spec.kernel;
      const block = Array.from({ length: spec.block }, (_, v) => v);
      const locals = (name: string) => block.map((v) => f.local(`${name}_${v}`, "v128"));
      const sums = Array.from({ length: spec.tile }, (_, i) => locals(`acc${i}`));
      const taps = Array.from({ length: columns }, (_, i) => locals(`tap${i}`));
      const values = locals("x");
      const vectorBytes = LANES * FLOAT;
      const blockBytes = spec.block * vectorBytes;
      const outputBlocks = 1 + rows * columns * spec.inputPlaneBytes.length;
      const uses = columnUses(spec);
      /** Two operations in a row on neighbouring vectors are what engines join. */
      const each = (targets: readonly Local<"v128">[] | undefined, value: (v: number) => V128) =>
        block.forEach((v) => f.set(targets?.[v] as Local<"v128">, value(v)));
      const emitTile = (tile: SlidingTile) => {
        spec.outputPlaneBytes.forEach((outputPlane, oc) => {
          const weightAt = (index: number) => (v: number) =>
            v128.load(at, { offset: (oc * outputBlocks + index) * blockBytes + v * vectorBytes });
          each(sums[0], weightAt(0));
          for (const sum of sums.slice(1)) each(sum, (v) => sums[0]?.[v] as V128);
          spec.inputPlaneBytes.forEach((inputPlane, ic) => {
            for (let kh = 0; kh < rows; kh++) {
              const firstTap = 1 + (ic * rows + kh) * columns;
              taps.forEach((tap, kw) => each(tap, weightAt(firstTap + kw)));
              const rowOffset = inputPlane + kh * spec.dilation[0] * spec.inputRowBytes;
              for (const { column, uses: pairs } of uses) {
                const offset = rowOffset + column * spec.inputPixelBytes;
                each(values, (v) => v128.load(tile.input, { offset: offset + v * vectorBytes }));
                for (const { output: i, tap } of pairs) {
                  each(sums[i], (v) => madd(target, values[v] as V128, taps[tap]?.[v] as V128, sums[i]?.[v] as V128));
                }
              }
            }
          });
          sums.forEach((sum, i) => {
            const offset = outputPlane + i * spec.outputPixelBytes;
            const results = sum.map((value) => activate(f, target, spec.activation, value, constants));
            results.forEach((result, v) => f.do(v128.store(tile.output, result, { offset: offset + v * vectorBytes })));
          });
        });
        f.set(at, i32.add(at, spec.outputPlaneBytes.length * outputBlocks * blockBytes));
      };
      slidingTiles(f, spec, spec.block, blocks, { input, output, start, end }, () => f.set(at, weights), emitTile);
    },
  };
}

/** For each input column that a tile reads: the outputs that it counts for, and by which tap. */
function columnUses(
  spec: GroupwiseSpec,
): readonly { column: number; uses: readonly { output: number; tap: number }[] }[] {
  const uses = new Map<number, { output: number; tap: number }[]>();
  for (let output = 0; output < spec.tile; output++) {
    for (let tap = 0; tap < spec.kernel[1]; tap++) {
      const column = output * spec.strideColumns + tap * spec.dilation[1];
      const list = uses.get(column) ?? [];
      list.push({ output, tap });
      uses.set(column, list);
    }
  }
  return [...uses].sort(([a], [b]) => a - b).map(([column, list]) => ({ column, uses: list }));
}
