import { elementCount, FormatError, type Shape, type Tensor } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import { gatherStrided } from "../transpose.ts";
import { arrayTypes, viewOf } from "../typed_arrays.ts";
import type { TensorRef } from "./torch_values.ts";

/** Memory for a tensor beside its elements, about. */
const tensorBytes = 320;

/**
 * A tensor's elements in row-major order: a view of the file where they lie so and are aligned, a copy where not.
 *
 * @param storage the bytes of its storage
 * @throws {FormatError} if it reaches beyond its storage, or would take more memory than the budget has
 */
export function tensorOf(
  name: string,
  ref: TensorRef,
  storage: Uint8Array,
  budget: MemoryBudget,
  file?: string,
): Tensor {
  const wrong = (problem: string): FormatError =>
    new FormatError(`Tensor "${name}" ${problem}`, file === undefined ? {} : { file });
  const { dtype, size, stride } = ref;
  budget.spend(tensorBytes, `Tensor "${name}"`);
  const count = elementCount(size);
  const bytesEach = arrayTypes[dtype].BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(count * bytesEach)) throw wrong(`has too many elements: ${size.join("x")}.`);
  const first = startOf(ref) + ref.offset;
  const last = size.reduce((sum, length, axis) => sum + (length - 1) * (stride[axis] as number), first);
  if (count > 0 && (last + 1) * bytesEach > storage.length) {
    throw wrong(`reaches to element ${last} of its storage, which has ${Math.floor(storage.length / bytesEach)}.`);
  }
  if (count === 0) return { dtype, shape: size, data: new arrayTypes[dtype](0) } as Tensor;
  if (isContiguous(size, stride)) {
    const bytes = storage.subarray(first * bytesEach, (first + count) * bytesEach);
    return { dtype, shape: size, data: viewOf(bytes, dtype, budget, `Tensor "${name}"`) } as Tensor;
  }
  budget.spend(count * bytesEach, `Tensor "${name}"`);
  const whole = storage.subarray(first * bytesEach, (last + 1) * bytesEach);
  const source = viewOf(whole, dtype, budget, `Tensor "${name}"`);
  return { dtype, shape: size, data: gatherStrided(source, new arrayTypes[dtype](count), size, stride) } as Tensor;
}

/** The storage's first element, if it is a view itself. */
function startOf({ storage, dtype }: TensorRef): number {
  return storage.dtype === undefined ? Math.floor(storage.start / arrayTypes[dtype].BYTES_PER_ELEMENT) : storage.start;
}

function isContiguous(size: Shape, stride: readonly number[]): boolean {
  let expected = 1;
  for (let axis = size.length - 1; axis >= 0; axis--) {
    if (size[axis] !== 1 && stride[axis] !== expected) return false;
    expected *= size[axis] as number;
  }
  return true;
}
