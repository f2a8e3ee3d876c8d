import { FormatError, ShapeError } from "../errors.ts";
import { bytesPerElement, elementCount, formatShape, type Tensor } from "../tensor.ts";
import { elementNameOf, elementNames } from "./element_types.ts";
import { isWellFormed } from "./parse_header.ts";

/**
 * Writes a safetensors file. The same tensors give the same bytes, and the bytes that the reference implementation gives: header padded
 * with spaces to 8 bytes, tensors with the largest elements first (so that every one is aligned), then by name.
 *
 * @param metadata strings for the header's `__metadata__`; sorted by key
 * @throws {ShapeError} if a tensor has another number of elements than its shape
 * @throws {FormatError} for a name that the format cannot hold
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const ordered = [...tensors].sort(compareEntries);
  const members: string[] = [];
  const keys = Object.keys(metadata).sort(compareText);
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${quoted(key)}:${quoted(metadata[key] as string)}`);
    members.push(`"__metadata__":{${pairs.join(",")}}`);
  }
  let end = 0;
  for (const [name, tensor] of ordered) {
    checkTensor(name, tensor);
    const start = end;
    end += tensor.data.byteLength;
    const shape = `[${tensor.shape.join(",")}]`;
    members.push(
      `${quoted(name)}:{"dtype":"${elementNameOf[tensor.dtype]}","shape":${shape},"data_offsets":[${start},${end}]}`,
    );
  }
  const header = new TextEncoder().encode(`{${members.join(",")}}`);
  const dataStart = 8 + Math.ceil(header.length / 8) * 8;
  const bytes = new Uint8Array(dataStart + end).fill(0x20, 8, dataStart);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(dataStart - 8), true);
  bytes.set(header, 8);
  let position = dataStart;
  for (const [, { data }] of ordered) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
}

function checkTensor(name: string, { dtype, shape, data }: Tensor): void {
  if (name === "__metadata__")
    throw new FormatError('A tensor cannot be named "__metadata__": the format keeps that name.');
  const count = elementCount(shape);
  if (data.length !== count || data.byteLength !== count * bytesPerElement[dtype]) {
    throw new ShapeError(
      `Tensor "${name}" of shape ${formatShape(shape)} needs ${count} elements of ${dtype}, received ${data.length} in ${data.byteLength} bytes.`,
    );
  }
}

function quoted(text: string): string {
  if (!isWellFormed(text))
    throw new FormatError(`${JSON.stringify(text)} holds half of a surrogate pair, which UTF-8 cannot write.`);
  return JSON.stringify(text);
}

type Entry = readonly [name: string, tensor: Tensor];

/** The reference implementation's order: its element types from last to first, then names. */
function compareEntries([nameA, a]: Entry, [nameB, b]: Entry): number {
  const rank = (tensor: Tensor) => elementNames.indexOf(elementNameOf[tensor.dtype]);
  return rank(b) - rank(a) || compareText(nameA, nameB);
}

/** The order of the texts' UTF-8 bytes, which is that of their code points; JavaScript's own order is that of UTF-16. */
function compareText(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
