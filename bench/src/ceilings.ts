import { type Ceiling, createCeiling } from "../../packages/core/src/compiler/measure_ceiling.ts";
import { joinVectors } from "../../packages/core/src/runtime/host/wide_vectors.ts";

/** Multiply-adds of 128 bits with relaxed and with plain SIMD, and of 256 bits. */
export type CeilingName = Ceiling["simd"] | "wide";

/** Measures ceilings, each made when it is first asked for; V8's flag for the widest changes nothing about the others. */
export function ceilings(): (name: CeilingName, milliseconds: number) => Promise<number> {
  const made = new Map<CeilingName, Promise<Ceiling>>();
  return async (name, milliseconds) => {
    const ceiling = made.get(name) ?? create(name);
    made.set(name, ceiling);
    return (await ceiling).measure(milliseconds);
  };
}

function create(name: CeilingName): Promise<Ceiling> {
  if (name !== "wide") return createCeiling(name);
  joinVectors();
  return createCeiling("relaxed", true);
}
