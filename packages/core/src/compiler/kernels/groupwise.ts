import type { Activation, Pair } from "../../graph/operations.ts";
import { i32, v128 } from "../../wasm/instructions.ts";
import type { Local } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";
import type { Kernel } from "../plan.ts";
import type { Target } from "../target.ts";
import { activate, activationConstants, madd } from "./simd.ts";
import { type SlidingSpec, slidingTiles } from "./sliding_tiles.ts";

/**
 * A grouped convolution with a lane for each group: lane j of a vector is group 4i + j, and each group has its own weights in that
 * lane. Depthwise convolution is the case of one input and one output channel a group; with two or three, as in IGCV1, the channels
 * of a group lie in planes, `inputPlaneBytes` apart.
 *
 * A tile of output columns shares its loads: an input vector is multiplied with each tap that sees it.
 */
export interface GroupwiseSpec extends SlidingSpec {
  readonly kernel: Pair;
  readonly dilation: Pair;
  /** Distance of each input channel of a group from the first one. */
  readonly inputPlaneBytes: readonly number[];
  /** Distance of each output channel of a group from the first one. */
  readonly outputPlaneBytes: readonly number[];
  readonly activation: Activation;
}

/** Floats of packed weights: for each vector of groups the biases, then the taps, of each output channel. */
export function packedGroupwiseFloats(
  spec: Pick<GroupwiseSpec, "kernel" | "inputPlaneBytes" | "outputPlaneBytes" | "vectors">,
): number {
  const { kernel, inputPlaneBytes, outputPlaneBytes, vectors } = spec;
  return vectors * LANES * outputPlaneBytes.length * (1 + kernel[0] * kernel[1] * inputPlaneBytes.length);
}

/**
 * Packs weights in the order of their use: vector of groups ⊃ output channel ⊃ bias, input channel ⊃ taps.
 *
 * @param groupOf the group in each lane, or −1 for a gap
 */
export function packGroupwise(
  out: Float32Array,
  spec: Pick<GroupwiseSpec, "kernel" | "inputPlaneBytes" | "outputPlaneBytes">,
  groupOf: readonly number[],
  weight: (kh: number, kw: number, ic: number, oc: number, group: number) => number,
  bias: (oc: number, group: number) => number,
): void {
  const [rows, columns] = spec.kernel;
  let at = 0;
  for (let first = 0; first < groupOf.length; first += LANES) {
    const lanes = groupOf.slice(first, first + LANES);
    const put = (value: (group: number) => number) => {
      lanes.forEach((group, lane) => {
        if (group >= 0) out[at + lane] = value(group);
      });
      at += LANES;
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

/** The kernel of a spec. Its units are output rows. Parameters: `input` (the first window's first cell), `weights`, `output`. */
export function groupwiseKernel(name: string, spec: GroupwiseSpec, target: Target): Kernel {
  return {
    name,
    params: ["input", "weights", "output"],
    emit(f, p) {
      const { input, weights, output, start, end } = p as Record<
        "input" | "weights" | "output" | "start" | "end",
        Local<"i32">
      >;
      const constants = activationConstants(f, [spec.activation]);
      const at = f.local("w", "i32");
      const [rows, columns] = spec.kernel;
      const sums = Array.from({ length: spec.tile }, (_, i) => f.local(`acc${i}`, "v128"));
      const taps = Array.from({ length: columns }, (_, i) => f.local(`tap${i}`, "v128"));
      const value = f.local("x", "v128");
      const outputFloats = 1 + rows * columns * spec.inputPlaneBytes.length;
      slidingTiles(
        f,
        spec,
        { input, output, start, end },
        () => f.set(at, weights),
        (tile) => {
          spec.outputPlaneBytes.forEach((outputPlane, oc) => {
            const base = oc * outputFloats * LANES * FLOAT;
            const weightAt = (index: number) => v128.load(at, { offset: base + index * LANES * FLOAT });
            f.set(sums[0] as Local<"v128">, weightAt(0));
            for (const sum of sums.slice(1)) f.set(sum, sums[0] as Local<"v128">);
            spec.inputPlaneBytes.forEach((inputPlane, ic) => {
              for (let kh = 0; kh < rows; kh++) {
                const firstTap = 1 + (ic * rows + kh) * columns;
                taps.forEach((tap, kw) => f.set(tap, weightAt(firstTap + kw)));
                const rowOffset = inputPlane + kh * spec.dilation[0] * spec.inputRowBytes;
                for (const { column, uses } of columnUses(spec)) {
                  f.set(value, v128.load(tile.input, { offset: rowOffset + column * spec.inputPixelBytes }));
                  for (const { output: i, tap } of uses) {
                    const sum = sums[i] as Local<"v128">;
                    f.set(sum, madd(target, value, taps[tap] as Local<"v128">, sum));
                  }
                }
              }
            });
            sums.forEach((sum, i) => {
              const result = activate(f, target, spec.activation, sum, constants);
              f.do(v128.store(tile.output, result, { offset: outputPlane + i * spec.outputPixelBytes }));
            });
          });
          f.set(at, i32.add(at, spec.outputPlaneBytes.length * outputFloats * LANES * FLOAT));
        },
      );
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
