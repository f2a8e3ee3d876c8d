import { FormatError } from "@depthwise/core";

const headerBytes = 8;
const customId = 0;
const importId = 2;
const dataId = 11;

/** A section of a module. */
export interface Section {
  readonly id: number;
  /** Of a custom section. */
  readonly name?: string;
  /** Where its content starts, after the name of a custom section. */
  readonly at: number;
  readonly content: Uint8Array;
}

/**
 * The sections of a WebAssembly module, in order.
 *
 * @throws {FormatError} if the bytes are no module
 */
export function sectionsOf(bytes: Uint8Array, file: string): readonly Section[] {
  const magic = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  if (!magic.every((byte, i) => bytes[i] === byte)) {
    throw new FormatError(`${file}: expected a WebAssembly module.`, { file });
  }
  const sections: Section[] = [];
  for (let at = headerBytes; at < bytes.length; ) {
    const id = bytes[at] as number;
    const [size, start] = readUnsigned(bytes, at + 1);
    const end = start + size;
    if (end > bytes.length) throw new FormatError(`${file}: it ends in the middle of section ${id}.`, { file });
    if (id === customId) {
      const [length, first] = readUnsigned(bytes, start);
      const content = Math.min(first + length, end);
      const name = new TextDecoder().decode(bytes.subarray(first, content));
      sections.push({ id, name, at: content, content: bytes.subarray(content, end) });
    } else sections.push({ id, at: start, content: bytes.subarray(start, end) });
    at = end;
  }
  return sections;
}

/** What a custom section holds; undefined if there is none of that name. */
export function customSection(bytes: Uint8Array, name: string, file: string): Uint8Array | undefined {
  return sectionsOf(bytes, file).find((section) => section.name === name)?.content;
}

/** The module with one more custom section at its end. */
export function withCustomSection(bytes: Uint8Array, name: string, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const label = new TextEncoder().encode(name);
  const body = [...unsigned(label.length), ...label];
  const head = [customId, ...unsigned(body.length + content.length), ...body];
  const all = new Uint8Array(bytes.length + head.length + content.length);
  all.set(bytes);
  all.set(head, bytes.length);
  all.set(content, bytes.length + head.length);
  return all;
}

/** The module without its custom sections and its data: what computes. */
export function codeOf(bytes: Uint8Array, file: string): readonly Uint8Array[] {
  return sectionsOf(bytes, file)
    .filter(({ id }) => id !== customId && id !== dataId)
    .map(({ id, content }) => new Uint8Array([id, ...content]));
}

/**
 * Where the module says that the memory it imports is shared. It is the module's only import.
 *
 * @throws {FormatError} if it imports anything else
 */
export function sharedFlagOffset(bytes: Uint8Array, file: string): number {
  const section = sectionsOf(bytes, file).find(({ id }) => id === importId);
  const names = ["env", "memory"].flatMap((name) => [name.length, ...new TextEncoder().encode(name)]);
  const expected = [1, ...names, 2, 3]; // one import, its name, a memory, with a maximum and shared
  if (section === undefined || !expected.every((byte, i) => section.content[i] === byte)) {
    throw new FormatError(`${file}: expected a shared memory as its only import.`, { file });
  }
  return section.at + expected.length - 1;
}

function readUnsigned(bytes: Uint8Array, first: number): readonly [value: number, next: number] {
  let value = 0;
  let at = first;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return [value, at];
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
