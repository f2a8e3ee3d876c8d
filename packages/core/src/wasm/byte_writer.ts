/** A growing buffer of bytes: the only thing that binary code is written to. */
import { writeUnsigned } from "./leb128.ts";

export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  bytes(values: Uint8Array | readonly number[]): void {
    this.#reserve(values.length);
    this.#bytes.set(values, this.#length);
    this.#length += values.length;
  }

  /** Four bytes, little-endian. Every NaN becomes the canonical one, so that equal modules have equal bytes in every engine. */
  float32(value: number): void {
    this.#reserve(4);
    if (Number.isNaN(value)) this.#view.setUint32(this.#length, 0x7fc00000, true);
    else this.#view.setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  /** Eight bytes, little-endian, NaN as in {@link float32}. */
  float64(value: number): void {
    this.#reserve(8);
    if (Number.isNaN(value)) this.#view.setBigUint64(this.#length, 0x7ff80000_00000000n, true);
    else this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** An integer of `width` bytes, little-endian. */
  integer(value: bigint, width: number): void {
    for (let index = 0n; index < width; index++) this.byte(Number((value >> (8n * index)) & 0xffn));
  }

  /** A byte vector of the format: its length, then its bytes. */
  vector(content: ByteWriter): void {
    writeUnsigned(this, content.#length);
    this.append(content);
  }

  /** What another buffer holds. */
  append(content: ByteWriter): void {
    this.bytes(content.#bytes.subarray(0, content.#length));
  }

  /** A name of the format: the length in bytes of its UTF-8 form, then that. */
  name(text: string): void {
    const content = new TextEncoder().encode(text);
    writeUnsigned(this, content.length);
    this.bytes(content);
  }

  /** A number of the opcode table: one byte, or a prefix and a LEB128 number. */
  opcode(code: number): void {
    if (code > 0xff) {
      this.byte(code >> 12);
      writeUnsigned(this, code & 0xfff);
    } else {
      this.byte(code);
    }
  }

  /** Empties the buffer and keeps its memory. */
  clear(): void {
    this.#length = 0;
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
