import { f32x4 } from "../wasm/instructions.ts";
import { createModule } from "../wasm/module_builder.ts";

let relaxed: boolean | undefined;

/** Whether this engine has relaxed SIMD: a module of one fused multiply-add validates. */
export function supportsRelaxedSimd(): boolean {
  if (relaxed === undefined) {
    const module = createModule();
    module.function("probe", { params: { x: "v128" }, results: ["v128"] }, (f, { x }) =>
      f.return(f32x4.relaxed_madd(x, x, x)),
    );
    relaxed = WebAssembly.validate(module.bytes());
  }
  return relaxed;
}
