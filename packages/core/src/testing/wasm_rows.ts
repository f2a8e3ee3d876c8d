/** The assembler's opcode table, opened up for tests that go through all of it. */
import * as instructions from "../wasm/instructions.ts";
import { type Immediates, type OpcodeRow, opcodes } from "../wasm/opcodes.ts";
import type { PassiveData } from "../wasm/tree.ts";
import type { Expr, Statement, ValueType } from "../wasm/value_types.ts";

/** A row by its parts. */
export interface OpRow {
  readonly name: string;
  readonly code: number;
  readonly operands: readonly ValueType[];
  readonly result: ValueType | undefined;
  readonly immediates: Immediates;
  readonly width: number;
}

/** Values for the immediates of whatever instruction. */
export interface ExampleImmediates {
  readonly offset: number;
  readonly lane: number;
  readonly lanes: readonly number[];
  readonly segment?: PassiveData;
}

/** wabt's switches for all that the assembler can write. */
export const ALL_FEATURES = {
  simd: true,
  relaxed_simd: true,
  threads: true,
  bulk_memory: true,
  multi_value: true,
  sign_extension: true,
  sat_float_to_int: true,
  mutable_globals: true,
} as const;

export const opRows: readonly OpRow[] = Object.entries<OpcodeRow>(opcodes).map(
  ([name, [code, signature, immediates = "none", width = 0]]) => {
    const [left = "", right = ""] = signature.split("->");
    return {
      name,
      code,
      operands: left.split(" ").filter((type) => type !== "") as ValueType[],
      result: (right.trim() || undefined) as ValueType | undefined,
      immediates,
      width,
    };
  },
);

/** Calls the function for a row as users do: `f32x4.extract_lane(vector, lane)`. */
export function callInstruction(
  row: OpRow,
  operands: readonly Expr[],
  immediates: ExampleImmediates,
): Expr | Statement {
  const path = row.name.split(".");
  let found: unknown = instructions;
  for (const key of path) found = (found as Record<string, unknown>)[key];
  const call = found as (...args: readonly unknown[]) => Expr | Statement;
  const { offset, lane, lanes, segment } = immediates;
  switch (row.immediates) {
    case "memory":
      return call(...operands, { offset });
    case "memory and lane":
      return call(...operands, lane, { offset });
    case "lane":
      return call(operands[0], lane, ...operands.slice(1));
    case "shuffle":
      return call(...operands, lanes);
    case "segment":
    case "segment and memory index":
      return call(segment, ...operands);
    default:
      return call(...operands);
  }
}
