import { FormatError } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import { ofKind, type PickleDict, type PickleValue } from "./pickle_values.ts";

/** What the names in a pickle mean: the only part of the machine that knows of PyTorch. */
export interface PickleHost {
  /**
   * Checks a name when it is met.
   *
   * @throws {FormatError} if it is not on the list
   */
  global(name: string): void;
  /** What a class or function that is on the list gives for its arguments. */
  call(name: string, args: readonly PickleValue[]): PickleValue;
  /** The object that a persistent id stands for. */
  persistent(id: PickleValue): PickleValue;
}

/** Options of `unpickle`. */
export interface UnpickleOptions {
  readonly host: PickleHost;
  readonly budget: MemoryBudget;
  /** For messages. */
  readonly file?: string | undefined;
}

const utf8 = new TextDecoder();

/** The newest version of the format that is read. */
const newestProtocol = 5;
/** What an object takes in memory, about. */
const objectBytes = 160;
/** What a place on the stack or in a list takes. */
const slotBytes = 16;
/** Of a name or a number in text. */
const longestLine = 256;
/** Of a whole number. */
const longestInteger = 8;

/**
 * Reads one pickle from `bytes` at `start` on.
 *
 * A pickle is a program for a small stack machine. This one has no instruction that imports, calls or looks anything up: a class or
 * function is its name, and what a name gives for its arguments is the host's to say, from a list.
 *
 * @returns the object, and the byte after the pickle
 * @throws {FormatError} for an instruction, a name or an object that has no place in a file of tensors
 */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  options: UnpickleOptions,
): { readonly value: PickleValue; readonly end: number } {
  const machine = new PickleMachine(bytes, start, options);
  return machine.run();
}

class PickleMachine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: UnpickleOptions;
  #at: number;
  #stack: PickleValue[] = [];
  readonly #stacks: PickleValue[][] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(bytes: Uint8Array, start: number, options: UnpickleOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = start;
    this.#options = options;
  }

  run(): { readonly value: PickleValue; readonly end: number } {
    for (;;) {
      const at = this.#at;
      const opcode = this.#bytes[this.#skip(1)] as number;
      if (opcode === STOP) return { value: this.#pop(), end: this.#at };
      const instruction = instructions.get(opcode);
      if (instruction === undefined) {
        throw this.invalid(`byte ${at} is the instruction 0x${opcode.toString(16)}, which has no place here.`);
      }
      instruction(this);
    }
  }

  invalid(problem: string): FormatError {
    const { file } = this.#options;
    return new FormatError(`Not a valid pickle of tensors: ${problem}`, file === undefined ? {} : { file });
  }

  push(value: PickleValue): void {
    this.spend(slotBytes);
    this.#stack.push(value);
  }

  /** An object that the machine makes. */
  pushNew(value: PickleValue): void {
    this.spend(objectBytes);
    this.push(value);
  }

  pop(): PickleValue {
    return this.#pop();
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined) throw this.invalid(`byte ${this.#at - 1} needs an object, but there is none.`);
    return value;
  }

  mark(): void {
    this.spend(objectBytes);
    this.#stacks.push(this.#stack);
    this.#stack = [];
  }

  /** What was pushed since the last mark. */
  popMarked(): PickleValue[] {
    const marked = this.#stack;
    const before = this.#stacks.pop();
    if (before === undefined) throw this.invalid(`byte ${this.#at - 1} needs a mark, but there is none.`);
    this.#stack = before;
    return marked;
  }

  popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.#pop()).reverse();
  }

  /** The list, set or dict that items go into: on the stack's top. */
  append(items: readonly PickleValue[]): void {
    const target = ofKind(this.top(), "list") ?? ofKind(this.top(), "set");
    if (target === undefined) throw this.invalid(`byte ${this.#at - 1} adds items to what is neither list nor set.`);
    this.spend(items.length * slotBytes);
    for (const item of items) target.items.push(item);
  }

  setItems(items: readonly PickleValue[]): void {
    const target = ofKind(this.top(), "dict");
    if (target !== undefined) this.fill(target, items);
    else if (ofKind(this.top(), "opaque") === undefined) {
      throw this.invalid(`byte ${this.#at - 1} sets items of what is no dict.`);
    }
  }

  fill(target: PickleDict, items: readonly PickleValue[]): PickleDict {
    if (items.length % 2 === 1) throw this.invalid(`byte ${this.#at - 1} sets a key without a value.`);
    this.spend(items.length * slotBytes);
    for (let i = 0; i < items.length; i += 2) {
      target.keys.push(items[i] as PickleValue);
      target.values.push(items[i + 1] as PickleValue);
    }
    return target;
  }

  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    this.#options.host.global(full);
    this.pushNew({ kind: "global", name: full });
  }

  /** REDUCE and NEWOBJ: a name with its arguments. */
  call(): void {
    const args = ofKind(this.#pop(), "tuple");
    const callee = ofKind(this.#pop(), "global");
    if (callee === undefined || args === undefined) {
      throw this.invalid(`byte ${this.#at - 1} calls what is no class or function.`);
    }
    this.pushNew(this.#options.host.call(callee.name, args.items));
  }

  /** BUILD: the state of an object, which nothing here needs (an OrderedDict's `_metadata`, a parameter's attributes). */
  build(): void {
    this.#pop();
    const target = this.top();
    if (!(["dict", "tensor", "opaque"] as const).some((kind) => ofKind(target, kind) !== undefined)) {
      throw this.invalid(`byte ${this.#at - 1} gives a state to what has none.`);
    }
  }

  persistent(): void {
    this.pushNew(this.#options.host.persistent(this.#pop()));
  }

  store(index: number): void {
    this.spend(2 * slotBytes);
    this.#memo.set(index, this.top());
  }

  memoize(): void {
    this.store(this.#memo.size);
  }

  fetch(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.invalid(`byte ${this.#at - 1} asks for object ${index}, which was not kept.`);
    this.push(value);
  }

  protocol(version: number): void {
    if (version > newestProtocol) {
      throw this.invalid(`it is of protocol ${version}; read are those to ${newestProtocol}.`);
    }
  }

  uint8(): number {
    return this.#bytes[this.#skip(1)] as number;
  }

  uint16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4), true);
  }

  float64(): number {
    return this.#view.getFloat64(this.#skip(8), false);
  }

  /** A length of eight bytes. */
  length64(): number {
    const length = this.#view.getBigUint64(this.#skip(8), true);
    if (length > BigInt(this.#bytes.length)) throw this.invalid(`byte ${this.#at - 8} announces ${length} bytes.`);
    return Number(length);
  }

  raw(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(length: number): string {
    const at = this.#skip(length);
    this.spend(2 * length + slotBytes);
    let text = "";
    for (let i = at; length <= longestLine && i < at + length; i++) {
      const byte = this.#bytes[i] as number;
      if (byte >= 0x80) return this.#decode(at, length);
      text += String.fromCharCode(byte);
    }
    return length <= longestLine ? text : this.#decode(at, length);
  }

  /** A whole number of so many bytes, two's complement, lowest first. */
  integer(length: number): number | bigint {
    const bytes = this.raw(length);
    if (length > longestInteger && !(length <= 10 && isMagic(bytes))) {
      throw this.invalid(`byte ${this.#at} ends a whole number of ${length} bytes; the limit is ${longestInteger}.`);
    }
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
    const signed = length > 0 && (bytes[length - 1] as number) >= 0x80 ? value - (1n << BigInt(8 * length)) : value;
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0 || end - this.#at > longestLine) throw this.invalid(`the line at byte ${this.#at} has no end.`);
    const text = this.text(end - this.#at);
    this.#skip(1);
    return text;
  }

  spend(bytes: number): void {
    this.#options.budget.spend(bytes, "The pickle's objects");
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined) throw this.invalid(`byte ${this.#at - 1} needs an object, but there is none.`);
    return value;
  }

  #decode(at: number, length: number): string {
    return utf8.decode(this.#bytes.subarray(at, at + length));
  }

  /** Goes past so many bytes; returns where they begin. */
  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw this.invalid(`it ends within what begins at byte ${at}.`);
    this.#at = at + length;
    return at;
  }
}

/** The number with which files of the older format begin: the one number of more than eight bytes that is read. */
export const legacyMagic = 0x1950a86a20f9469cfc6cn;

function isMagic(bytes: Uint8Array): boolean {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return value === legacyMagic;
}

const STOP = 0x2e;

type Instruction = (machine: PickleMachine) => void;

/** Python's instructions as far as they make data, by their letter: those of protocol 2, then of the others. */
const letters: Readonly<Record<string, Instruction>> = {
  "(": (m) => m.mark(),
  "0": (m) => void m.pop(),
  "1": (m) => void m.popMarked(),
  "2": (m) => m.push(m.top()),
  N: (m) => m.push(null),
  J: (m) => m.push(m.int32()),
  K: (m) => m.push(m.uint8()),
  M: (m) => m.push(m.uint16()),
  G: (m) => m.push(m.float64()),
  I: (m) => m.push(integerLine(m)),
  L: (m) => m.push(numberLine(m, m.line().replace(/L$/, ""))),
  F: (m) => m.push(numberLine(m, m.line())),
  X: (m) => m.push(m.text(m.uint32())),
  T: (m) => m.push(m.text(m.uint32())),
  U: (m) => m.push(m.text(m.uint8())),
  V: (m) => m.push(m.line()),
  B: (m) => m.pushNew(m.raw(m.uint32())),
  C: (m) => m.pushNew(m.raw(m.uint8())),
  "]": (m) => m.pushNew({ kind: "list", items: [] }),
  ")": (m) => m.pushNew({ kind: "tuple", items: [] }),
  "}": (m) => m.pushNew({ kind: "dict", keys: [], values: [] }),
  l: (m) => m.pushNew({ kind: "list", items: m.popMarked() }),
  t: (m) => m.pushNew({ kind: "tuple", items: m.popMarked() }),
  d: (m) => {
    const items = m.popMarked();
    m.pushNew(m.fill({ kind: "dict", keys: [], values: [] }, items));
  },
  a: (m) => m.append([m.pop()]),
  e: (m) => m.append(m.popMarked()),
  s: (m) => m.setItems(m.popMany(2)),
  u: (m) => m.setItems(m.popMarked()),
  c: (m) => {
    const module = m.line();
    m.global(module, m.line());
  },
  R: (m) => m.call(),
  b: (m) => m.build(),
  Q: (m) => m.persistent(),
  p: (m) => m.store(Number(numberLine(m, m.line()))),
  q: (m) => m.store(m.uint8()),
  r: (m) => m.store(m.uint32()),
  g: (m) => m.fetch(Number(numberLine(m, m.line()))),
  h: (m) => m.fetch(m.uint8()),
  j: (m) => m.fetch(m.uint32()),
};

/** Instructions that have no letter. */
const codes: readonly (readonly [opcode: number, instruction: Instruction])[] = [
  [0x80, (m) => m.protocol(m.uint8())],
  [0x81, (m) => m.call()],
  [0x85, (m) => m.pushNew({ kind: "tuple", items: m.popMany(1) })],
  [0x86, (m) => m.pushNew({ kind: "tuple", items: m.popMany(2) })],
  [0x87, (m) => m.pushNew({ kind: "tuple", items: m.popMany(3) })],
  [0x88, (m) => m.push(true)],
  [0x89, (m) => m.push(false)],
  [0x8a, (m) => m.push(m.integer(m.uint8()))],
  [0x8b, (m) => m.push(m.integer(m.uint32()))],
  [0x8c, (m) => m.push(m.text(m.uint8()))],
  [0x8d, (m) => m.push(m.text(m.length64()))],
  [0x8e, (m) => m.pushNew(m.raw(m.length64()))],
  [0x8f, (m) => m.pushNew({ kind: "set", items: [] })],
  [0x90, (m) => m.append(m.popMarked())],
  [0x91, (m) => m.pushNew({ kind: "set", items: m.popMarked() })],
  [0x93, stackGlobal],
  [0x94, (m) => m.memoize()],
  [0x95, (m) => void m.length64()],
];

const instructions: ReadonlyMap<number, Instruction> = new Map([
  ...Object.entries(letters).map(([letter, run]): [number, Instruction] => [letter.charCodeAt(0), run]),
  ...codes,
]);

function stackGlobal(machine: PickleMachine): void {
  const [module, name] = machine.popMany(2);
  if (typeof module !== "string" || typeof name !== "string") throw machine.invalid("a class has no name.");
  machine.global(module, name);
}

/** INT: `00` and `01` are false and true. */
function integerLine(machine: PickleMachine): boolean | number {
  const line = machine.line();
  return line === "01" ? true : line === "00" ? false : numberLine(machine, line);
}

function numberLine(machine: PickleMachine, line: string): number {
  const value = Number(line);
  if (line.trim() === "" || Number.isNaN(value)) throw machine.invalid(`"${line}" is no number.`);
  return value;
}
