import { type Tensor, toFloat32 } from "@depthwise/core";
import { type Constant, floatConstant } from "../importer/foreign_value.ts";
import type { MemoryBudget } from "../memory_budget.ts";

/** A file's tensors as constants of the network that is being read. */
export class ForeignWeights {
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #budget: MemoryBudget;
  readonly #constants = new Map<string, Constant>();

  constructor(tensors: ReadonlyMap<string, Tensor>, budget: MemoryBudget) {
    this.#tensors = tensors;
    this.#budget = budget;
  }

  /** The constant of that name; always the same one, so that layers that share it share their parameter. */
  get(name: string): Constant | undefined {
    const known = this.#constants.get(name);
    const tensor = this.#tensors.get(name);
    if (known !== undefined || tensor === undefined) return known;
    const constant = this.#constantOf(tensor);
    this.#constants.set(name, constant);
    return constant;
  }

  #constantOf(tensor: Tensor): Constant {
    const { dtype, shape, data } = tensor;
    if (dtype === "f32") return floatConstant(shape, data as Float32Array);
    if (dtype === "f16") {
      this.#budget.spend(4 * data.length, "The network's weights");
      return floatConstant(shape, toFloat32(tensor));
    }
    return { kind: "constant", shape, data: data as Int32Array | Uint8Array, isInteger: true };
  }
}
