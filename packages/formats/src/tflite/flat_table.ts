import { FormatError } from "@depthwise/core";
import { ByteBuffer } from "flatbuffers";
import type { MemoryBudget } from "../memory_budget.ts";

/** Bytes that an entry of a list takes here, roughly: lists may share their bytes in the file, so that a small one could hold many. */
const ENTRY_BYTES = 32;

/** A file of flatbuffers, of which nothing is believed: every position is checked before something is read there. */
export class FlatFile {
  readonly budget: MemoryBudget;
  readonly #buffer: ByteBuffer;

  constructor(bytes: Uint8Array, budget: MemoryBudget) {
    this.#buffer = new ByteBuffer(bytes);
    this.budget = budget;
  }

  /** The four letters that say which schema the file follows. */
  hasIdentifier(identifier: string): boolean {
    return this.#buffer.capacity() >= 8 && this.#buffer.__has_identifier(identifier);
  }

  /** The outermost table. */
  root(): FlatTable {
    return this.table(this.uint32(0));
  }

  /** The table at a position. */
  table(position: number): FlatTable {
    return new FlatTable(this, position);
  }

  uint8(position: number): number {
    this.#expect(position, 1);
    return this.#buffer.readUint8(position);
  }

  uint16(position: number): number {
    this.#expect(position, 2);
    return this.#buffer.readUint16(position);
  }

  int32(position: number): number {
    this.#expect(position, 4);
    return this.#buffer.readInt32(position);
  }

  uint32(position: number): number {
    this.#expect(position, 4);
    return this.#buffer.readUint32(position);
  }

  int64(position: number): number {
    this.#expect(position, 8);
    return Number(this.#buffer.readInt64(position));
  }

  float32(position: number): number {
    this.#expect(position, 4);
    return this.#buffer.readFloat32(position);
  }

  /** A part of the file, as a view. */
  bytes(position: number, length: number): Uint8Array {
    this.#expect(position, length);
    return this.#buffer.bytes().subarray(position, position + length);
  }

  #expect(position: number, length: number): void {
    const end = this.#buffer.capacity();
    if (position >= 0 && length >= 0 && position + length <= end) return;
    throw new FormatError(`Not a valid TFLite file: ${length} bytes at ${position} lie beyond its ${end} bytes.`);
  }
}

/** A table of the file. Fields are known by their places in the schema. */
export class FlatTable {
  readonly #file: FlatFile;
  readonly #position: number;
  readonly #fields: number;
  readonly #fieldBytes: number;

  constructor(file: FlatFile, position: number) {
    this.#file = file;
    this.#position = position;
    this.#fields = position - file.int32(position);
    this.#fieldBytes = file.uint16(this.#fields);
  }

  has(field: number): boolean {
    return this.#at(field) !== undefined;
  }

  int8(field: number, absent = 0): number {
    const at = this.#at(field);
    return at === undefined ? absent : (this.#file.uint8(at) << 24) >> 24;
  }

  bool(field: number): boolean {
    return this.int8(field) !== 0;
  }

  int32(field: number, absent = 0): number {
    const at = this.#at(field);
    return at === undefined ? absent : this.#file.int32(at);
  }

  uint32(field: number): number {
    const at = this.#at(field);
    return at === undefined ? 0 : this.#file.uint32(at);
  }

  int64(field: number): number {
    const at = this.#at(field);
    return at === undefined ? 0 : this.#file.int64(at);
  }

  float32(field: number, absent = 0): number {
    const at = this.#at(field);
    return at === undefined ? absent : this.#file.float32(at);
  }

  table(field: number): FlatTable | undefined {
    const at = this.#at(field);
    return at === undefined ? undefined : this.#file.table(at + this.#file.uint32(at));
  }

  text(field: number): string | undefined {
    const bytes = this.bytes(field);
    if (bytes === undefined) return undefined;
    this.#file.budget.spend(ENTRY_BYTES + bytes.length, "The file's texts");
    return new TextDecoder().decode(bytes);
  }

  /** A list of bytes, as a view. */
  bytes(field: number): Uint8Array | undefined {
    const list = this.#list(field);
    return list === undefined ? undefined : this.#file.bytes(list.start, list.length);
  }

  tables(field: number): readonly FlatTable[] {
    return this.#each(field, 4, (at) => this.#file.table(at + this.#file.uint32(at))) ?? [];
  }

  int32s(field: number): readonly number[] | undefined {
    return this.#each(field, 4, (at) => this.#file.int32(at));
  }

  int64s(field: number): readonly number[] | undefined {
    return this.#each(field, 8, (at) => this.#file.int64(at));
  }

  float32s(field: number): readonly number[] | undefined {
    return this.#each(field, 4, (at) => this.#file.float32(at));
  }

  /** Where a field's value stands; undefined where it is left out. */
  #at(field: number): number | undefined {
    const entry = 4 + 2 * field;
    if (entry + 2 > this.#fieldBytes) return undefined;
    const offset = this.#file.uint16(this.#fields + entry);
    return offset === 0 ? undefined : this.#position + offset;
  }

  #list(field: number): { readonly start: number; readonly length: number } | undefined {
    const at = this.#at(field);
    if (at === undefined) return undefined;
    const list = at + this.#file.uint32(at);
    return { start: list + 4, length: this.#file.uint32(list) };
  }

  #each<T>(field: number, bytesEach: number, read: (at: number) => T): readonly T[] | undefined {
    const list = this.#list(field);
    if (list === undefined) return undefined;
    this.#file.bytes(list.start, bytesEach * list.length); // all of it is there
    this.#file.budget.spend(ENTRY_BYTES * list.length, "The file's lists");
    return Array.from({ length: list.length }, (_, i) => read(list.start + bytesEach * i));
  }
}
