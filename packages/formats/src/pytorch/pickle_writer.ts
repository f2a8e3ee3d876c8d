import { InternalError } from "@depthwise/core";

/** Python's instructions that are written, all of protocol 2. */
const opcodes = {
  protocol: 0x80,
  stop: 0x2e,
  mark: 0x28,
  tuple: 0x74,
  global: 0x63,
  reduce: 0x52,
  setItems: 0x75,
  persistent: 0x51,
  text: 0x58,
  int8: 0x4b,
  int16: 0x4d,
  int32: 0x4a,
  long: 0x8a,
  true: 0x88,
  false: 0x89,
  put: 0x71,
  get: 0x68,
} as const;

/** Writes one object as a pickle of protocol 2, with the few instructions that `torch.load(weights_only=True)` takes. */
export class PickleWriter {
  readonly #bytes: number[] = [opcodes.protocol, 2];
  /** Numbers under which objects were kept, by what they are. */
  readonly #kept = new Map<string, number>();

  /** A class or function; written once, then referred to. */
  global(module: string, name: string): void {
    this.#once(`${module}\n${name}\n`, (key) => this.#bytes.push(opcodes.global, ...new TextEncoder().encode(key)));
  }

  text(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.#bytes.push(opcodes.text);
    this.#number(encoded.length, 4);
    for (const byte of encoded) this.#bytes.push(byte);
  }

  /** A text that comes again and again. */
  shared(text: string): void {
    this.#once(text, () => this.text(text));
  }

  boolean(value: boolean): void {
    this.#bytes.push(value ? opcodes.true : opcodes.false);
  }

  /** A whole number of at least 0. */
  integer(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new InternalError(`A pickle was given the number ${value}.`);
    if (value < 2 ** 8) this.#instruction(opcodes.int8, value, 1);
    else if (value < 2 ** 16) this.#instruction(opcodes.int16, value, 2);
    else if (value < 2 ** 31) this.#instruction(opcodes.int32, value, 4);
    else {
      this.#bytes.push(opcodes.long);
      this.#instruction(8, value, 8); // so many bytes, then the number
    }
  }

  tuple(items: () => void): void {
    this.#bytes.push(opcodes.mark);
    items();
    this.#bytes.push(opcodes.tuple);
  }

  /** What a class or function gives for its arguments. */
  call(module: string, name: string, args: () => void): void {
    this.global(module, name);
    this.tuple(args);
    this.#bytes.push(opcodes.reduce);
  }

  /** The object that a tuple stands for outside the pickle. */
  persistent(id: () => void): void {
    this.tuple(id);
    this.#bytes.push(opcodes.persistent);
  }

  /** Keys and values, in turn, of the dict that was written last. */
  setItems(items: () => void): void {
    this.#bytes.push(opcodes.mark);
    items();
    this.#bytes.push(opcodes.setItems);
  }

  finish(): Uint8Array<ArrayBuffer> {
    this.#bytes.push(opcodes.stop);
    return Uint8Array.from(this.#bytes);
  }

  #once(key: string, write: (key: string) => void): void {
    const known = this.#kept.get(key);
    if (known !== undefined) {
      this.#instruction(opcodes.get, known, 1);
      return;
    }
    const index = this.#kept.size;
    this.#kept.set(key, index);
    write(key);
    this.#instruction(opcodes.put, index, 1); // fewer than 256: functions, storages' types, two words
  }

  #instruction(opcode: number, value: number, bytes: number): void {
    this.#bytes.push(opcode);
    this.#number(value, bytes);
  }

  /** Lowest byte first. */
  #number(value: number, bytes: number): void {
    for (let i = 0, rest = value; i < bytes; i++, rest = Math.floor(rest / 256)) this.#bytes.push(rest % 256);
  }
}
