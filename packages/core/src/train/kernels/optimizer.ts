import type { Kernel } from "../../compiler/plan.ts";
import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { f32, f32x4, f64, f64x2, i8x16, i32, v128 } from "../../wasm/instructions.ts";
import type { I32, Local, V128 } from "../../wasm/value_types.ts";
import { VECTOR } from "./picture_loop.ts";

/**
 * How parameters follow their gradients. `sgd` is Nesterov's momentum. `muon` steps a convolution's kernel, a group at a time, by a matrix of
 * nearly orthonormal columns (`orthogonal.ts`), and everything else, depthwise kernels too, as `adamw` does.
 */
export type OptimizerName = "sgd" | "adamw" | "muon";

/** Where a group of parameters finds its numbers: float32, in this order. The host writes them before each step. */
export const groupSettings = ["rate", "decay", "beta1", "beta2", "epsilon", "correction1", "correction2"] as const;

/** Copies numbers to where kernels want them: `to[i] = from[table[i]]`, the table in bytes. Units are vectors. */
export function packKernel(): Kernel {
  return {
    name: "pack",
    params: ["from", "table", "to"],
    emit(f, p) {
      const [table, to] = [p["table"], p["to"]] as [Local<"i32">, Local<"i32">];
      f.for({ name: "vector", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (vector) => {
        const skipped = f.let("skipped", i32.mul(vector, VECTOR));
        f.do(v128.store(i32.add(to, skipped), gather(f, p["from"] as I32, i32.add(table, skipped))));
      });
    },
  };
}

/** Four floats at the distances that a table holds. */
function gather(f: FunctionBuilder, base: I32, table: I32): V128 {
  const at = f.let("entry", table);
  const place = (lane: number) => i32.add(base, i32.load(at, { offset: lane * 4 }));
  let vector = v128.load32_zero(place(0));
  for (let lane = 1; lane < 4; lane++) vector = v128.load32_lane(place(lane), vector, lane);
  return vector;
}

/**
 * The mean of the micro-batches' gradients, in the parameters' order, micro-batch after micro-batch; and the sum of its squares. Units
 * are vectors.
 *
 * Parameters: `slots` (the first one's gradients), `slotCount`, `slotBytes`, `table`, `mean`, `square` (one double, replaced).
 */
export function reduceKernel(): Kernel {
  return {
    name: "reduce",
    params: ["slots", "slotCount", "slotBytes", "table", "mean", "square"],
    emit(f, p) {
      const sum = f.local("sum", "v128");
      const squares = f.local("squares", "v128");
      const slot = f.local("slot", "i32");
      const share = f.let("share", f32x4.splat(f32.div(f32.const(1), f32.convert_i32_s(p["slotCount"] as I32))));
      f.set(squares, f64x2.const(0, 0));
      f.for({ name: "vector", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (vector) => {
        const skipped = f.let("skipped", i32.mul(vector, VECTOR));
        const table = f.let("from", i32.add(p["table"] as I32, skipped));
        f.set(sum, f32x4.const(0, 0, 0, 0));
        f.set(slot, p["slots"] as I32);
        f.for({ name: "micro", from: 0, to: p["slotCount"] as Local<"i32">, step: 1 }, () => {
          f.set(sum, f32x4.add(sum, gather(f, slot, table)));
          f.set(slot, i32.add(slot, p["slotBytes"] as I32));
        });
        f.set(sum, f32x4.mul(sum, share));
        f.do(v128.store(i32.add(p["mean"] as I32, skipped), sum));
        const low = f.let("low", f64x2.promote_low_f32x4(sum));
        const upper = i8x16.shuffle(sum, sum, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);
        const high = f.let("high", f64x2.promote_low_f32x4(upper));
        f.set(squares, f64x2.add(squares, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high))));
      });
      const total = f64.add(f64x2.extract_lane(squares, 0), f64x2.extract_lane(squares, 1));
      f.do(f64.store(p["square"] as I32, total));
    },
  };
}

/**
 * One step of the optimiser on a group of parameters. Units are vectors. `sgd` is Nesterov's momentum as PyTorch has it; `adamw` is
 * Loshchilov and Hutter's (arXiv:1711.05101). The moving average follows: average += (1 − decay)·(parameter − average).
 *
 * Parameters: addresses of the group's `parameters`, `gradients`, `first` and `second` moments, `average`, and of its `settings`; then
 * the float32s `scale` (of the gradients, for clipping) and `averageShare` (one minus the average's decay), by address.
 */
export function updateKernel(optimizer: "sgd" | "adamw"): Kernel {
  return {
    name: `update_${optimizer}`,
    params: ["parameters", "gradients", "first", "second", "average", "settings", "scale", "averageShare"],
    emit(f, p) {
      const splat = (param: string, offset = 0) => v128.load32_splat(p[param] as I32, { offset });
      const setting = Object.fromEntries(
        groupSettings.map((name, i) => [name, f.let(name, splat("settings", i * 4))]),
      ) as Record<(typeof groupSettings)[number], Local<"v128">>;
      const scale = f.let("scaleAll", splat("scale"));
      const averageShare = f.let("share", splat("averageShare"));
      const one = f32x4.const(1, 1, 1, 1);
      const [value, gradient, first, second, average] = ["w", "g", "m", "v", "e"].map((n) => f.local(n, "v128")) as [
        Local<"v128">,
        Local<"v128">,
        Local<"v128">,
        Local<"v128">,
        Local<"v128">,
      ];
      f.for({ name: "vector", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (vector) => {
        const skipped = f.let("skipped", i32.mul(vector, VECTOR));
        const at = (param: string) => i32.add(p[param] as I32, skipped);
        f.set(value, v128.load(at("parameters")));
        f.set(gradient, f32x4.mul(v128.load(at("gradients")), scale));
        if (optimizer === "sgd") {
          f.set(gradient, f32x4.add(gradient, f32x4.mul(value, setting.decay)));
          f.set(first, f32x4.add(f32x4.mul(v128.load(at("first")), setting.beta1), gradient));
          f.do(v128.store(at("first"), first));
          const step = f32x4.add(gradient, f32x4.mul(first, setting.beta1));
          f.set(value, f32x4.sub(value, f32x4.mul(step, setting.rate)));
        } else {
          f.set(value, f32x4.sub(value, f32x4.mul(value, f32x4.mul(setting.rate, setting.decay))));
          const mix = (old: V128, share: V128, fresh: V128) =>
            f32x4.add(f32x4.mul(old, share), f32x4.mul(f32x4.sub(one, share), fresh));
          f.set(first, mix(v128.load(at("first")), setting.beta1, gradient));
          f.do(v128.store(at("first"), first));
          f.set(second, mix(v128.load(at("second")), setting.beta2, f32x4.mul(gradient, gradient)));
          f.do(v128.store(at("second"), second));
          const deviation = f32x4.add(f32x4.sqrt(f32x4.mul(second, setting.correction2)), setting.epsilon);
          const step = f32x4.div(f32x4.mul(first, setting.correction1), deviation);
          f.set(value, f32x4.sub(value, f32x4.mul(step, setting.rate)));
        }
        f.do(v128.store(at("parameters"), value));
        f.set(average, v128.load(at("average")));
        f.do(v128.store(at("average"), f32x4.add(average, f32x4.mul(f32x4.sub(value, average), averageShare))));
      });
    },
  };
}

/**
 * Running statistics: each moves towards the mean of the micro-batches' moments by the share `momentum`; its moving average follows.
 * Units are single numbers. Parameters: `slots`, `slotCount`, `slotBytes`, `table`, `factors` (for variances count/(count − 1)),
 * `statistics`, `average`, and the addresses of `momentum` and `averageShare`.
 */
export function statisticsKernel(): Kernel {
  return {
    name: "statistics",
    params: [
      "slots",
      "slotCount",
      "slotBytes",
      "table",
      "factors",
      "statistics",
      "average",
      "momentum",
      "averageShare",
    ],
    emit(f, p) {
      const sum = f.local("sum", "f32");
      const slot = f.local("slot", "i32");
      f.for({ name: "number", from: p["start"] as I32, to: p["end"] as I32, step: 1 }, (index) => {
        const bytes = f.let("bytes", i32.mul(index, 4));
        const at = (param: string) => i32.add(p[param] as I32, bytes);
        const entry = f.let("entry", i32.load(at("table")));
        f.set(sum, 0);
        f.set(slot, p["slots"] as I32);
        f.for({ name: "micro", from: 0, to: p["slotCount"] as Local<"i32">, step: 1 }, () => {
          f.set(sum, f32.add(sum, f32.load(i32.add(slot, entry))));
          f.set(slot, i32.add(slot, p["slotBytes"] as I32));
        });
        const mean = f32.mul(f32.div(sum, f32.convert_i32_s(p["slotCount"] as I32)), f32.load(at("factors")));
        const towards = (from: I32, goal: ReturnType<typeof f32.load>, share: I32) =>
          f32.add(f32.load(from), f32.mul(f32.sub(goal, f32.load(from)), f32.load(share)));
        f.do(f32.store(at("statistics"), towards(at("statistics"), mean, p["momentum"] as I32)));
        f.do(f32.store(at("average"), towards(at("average"), f32.load(at("statistics")), p["averageShare"] as I32)));
      });
    },
  };
}
