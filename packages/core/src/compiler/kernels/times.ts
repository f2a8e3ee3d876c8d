import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import type { Local } from "../../wasm/value_types.ts";

/** A body `count` times, at least once: without a loop where it is once. */
export function times(f: FunctionBuilder, count: number | Local<"i32">, name: string, body: () => void): void {
  if (count === 1) body();
  else f.repeat({ name, from: 0, to: count, step: 1 }, body);
}
