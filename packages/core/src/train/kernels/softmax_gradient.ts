import type { Stride } from "../../compiler/kernels/elementwise.ts";
import { FLOAT } from "../../compiler/layout.ts";
import type { Kernel } from "../../compiler/plan.ts";
import { f32, i32 } from "../../wasm/instructions.ts";
import type { I32, Local } from "../../wasm/value_types.ts";
import { eachPixel, type PictureSize, walker } from "./picture_loop.ts";

type At = (byte: I32) => I32;

/** The gradient of a softmax over a pixel's channels, which lie side by side. */
export interface SoftmaxGradientSpec extends PictureSize {
  readonly channels: number;
  readonly gradient: Stride;
  readonly y: Stride;
  readonly output: Stride;
}

/** Parameters: `gradient`, `y` (what softmax gave), `output`: y·(gradient − Σ gradient·y). Its one unit is the picture. */
export function softmaxGradientKernel(name: string, spec: SoftmaxGradientSpec): Kernel {
  return {
    name,
    params: ["gradient", "y", "output"],
    emit(f, p) {
      const sum = f.local("sum", "f32");
      const walkers = [
        walker(f, "pg", p["gradient"] as I32, spec.gradient),
        walker(f, "py", p["y"] as I32, spec.y),
        walker(f, "po", p["output"] as I32, spec.output),
      ] as const;
      const [gradient, y, output] = walkers.map(
        ({ pointer }) =>
          (byte: I32) =>
            i32.add(pointer, byte),
      ) as [At, At, At];
      const each = (body: (byte: Local<"i32">) => void) =>
        f.repeat({ name: "byte", from: 0, to: spec.channels * FLOAT, step: FLOAT }, body);
      eachPixel(f, spec, walkers, () => {
        f.set(sum, 0);
        each((byte) => f.set(sum, f32.add(sum, f32.mul(f32.load(gradient(byte)), f32.load(y(byte))))));
        each((byte) => {
          const difference = f32.sub(f32.load(gradient(byte)), sum);
          f.do(f32.store(output(byte), f32.mul(f32.load(y(byte)), difference)));
        });
      });
    },
  };
}
