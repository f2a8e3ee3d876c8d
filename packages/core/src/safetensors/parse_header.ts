import { FormatError } from "../errors.ts";
import type { Shape } from "../tensor.ts";

/** One tensor as the header describes it, not yet checked against the file. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: Shape;
  /** First byte and the byte after the last, counted from the end of the header. */
  readonly range: readonly [start: number, end: number];
  /** Where the entry stands in the file, in bytes. */
  readonly at: number;
}

/** What a header says. */
export interface Header {
  readonly entries: readonly HeaderEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const numberBytes: ReadonlySet<number> = new Set(new TextEncoder().encode("0123456789+-.eE"));

/**
 * Parses a safetensors header: JSON, but only the JSON that the format allows. `JSON.parse` would keep the last of two equal keys, round
 * large numbers and lose the place of a mistake.
 *
 * @param bytes the header's JSON, padding included
 * @param start where it begins in the file, for messages
 * @throws {FormatError} with the tensor and the byte where it goes wrong
 */
export function parseHeader(bytes: Uint8Array, start: number, file?: string): Header {
  const entries: HeaderEntry[] = [];
  // Without a prototype, "__proto__" and "constructor" are keys like any other.
  const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
  const json = jsonReader(bytes, start, file);
  const names = new Set<string>();
  json.object("the header", (key, at) => {
    if (names.has(key)) throw json.error(`the name "${key}" stands twice`, at);
    names.add(key);
    if (key !== "__metadata__") return void entries.push(parseEntry(json, key, at));
    json.object("__metadata__", (name, nameAt) => {
      if (Object.hasOwn(metadata, name)) throw json.error(`the key "${name}" stands twice in __metadata__`, nameAt);
      metadata[name] = json.string(`__metadata__ "${name}"`);
    });
  });
  json.end();
  return { entries, metadata };
}

function parseEntry(json: JsonReader, name: string, at: number): HeaderEntry {
  const where = `tensor "${name}"`;
  let dtype: string | undefined;
  let shape: Shape | undefined;
  let range: Shape | undefined;
  const fields = new Set<string>();
  json.object(where, (field, fieldAt) => {
    if (fields.has(field)) throw json.error(`${where}: "${field}" stands twice`, fieldAt);
    fields.add(field);
    if (field === "dtype") dtype = json.string(`${where}: dtype`);
    else if (field === "shape") shape = json.counts(`${where}: shape`);
    else if (field === "data_offsets") range = json.counts(`${where}: data_offsets`);
    else throw json.error(`${where}: unknown field "${field}"; expected dtype, shape and data_offsets`, fieldAt);
  });
  if (dtype === undefined || shape === undefined || range === undefined) {
    const missing = ["dtype", "shape", "data_offsets"].filter((field) => !fields.has(field));
    throw json.error(`${where}: ${missing.join(" and ")} missing`, at);
  }
  const [first, last] = range;
  if (range.length !== 2 || first === undefined || last === undefined) {
    throw json.error(`${where}: data_offsets must be two numbers, received ${range.length}`, at);
  }
  if (first > last) throw json.error(`${where}: data_offsets ${first} to ${last} run backwards`, at);
  return { name, dtype, shape, range: [first, last], at };
}

/** Reads the few JSON forms that a header holds. `what` names the thing read, for messages. */
interface JsonReader {
  /** Calls `member` for each key, with the reader standing at its value. */
  object(what: string, member: (key: string, at: number) => void): void;
  string(what: string): string;
  /** An array of whole numbers of at least 0 that float64 holds exactly. */
  counts(what: string): readonly number[];
  /** Nothing but white space may follow. */
  end(): void;
  error(problem: string, at: number): FormatError;
}

function jsonReader(bytes: Uint8Array, start: number, file: string | undefined): JsonReader {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let position = 0;

  function error(problem: string, at: number): FormatError {
    return new FormatError(
      `Not a valid safetensors file: ${problem} (byte ${at}).`,
      file === undefined ? {} : { file },
    );
  }

  function here(): number {
    return start + position;
  }

  /** The next byte that is not white space, not consumed; undefined at the end. */
  function peek(): number | undefined {
    let byte = bytes[position];
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++position];
    return byte;
  }

  function describeNext(): string {
    const byte = peek();
    if (byte === undefined) return "the header's end";
    return byte > 0x20 && byte < 0x7f
      ? `"${String.fromCharCode(byte)}"`
      : `byte 0x${byte.toString(16).padStart(2, "0")}`;
  }

  function take(character: string, what: string): void {
    if (peek() !== character.charCodeAt(0)) {
      throw error(`${what}: expected "${character}", found ${describeNext()}`, here());
    }
    position++;
  }

  function string(what: string): string {
    take('"', what);
    const begin = position - 1;
    while (position < bytes.length && bytes[position] !== quote) position += bytes[position] === backslash ? 2 : 1;
    if (position >= bytes.length) throw error(`${what}: a string without an end`, start + begin);
    position++;
    try {
      const text = JSON.parse(decoder.decode(bytes.subarray(begin, position))) as string;
      if (!isWellFormed(text)) throw error(`${what}: half of a surrogate pair`, start + begin);
      return text;
    } catch (cause) {
      if (cause instanceof FormatError) throw cause;
      throw error(`${what}: a string that is not valid JSON in UTF-8`, start + begin);
    }
  }

  function count(what: string): number {
    peek();
    const begin = position;
    while (numberBytes.has(bytes[position] ?? 0)) position++;
    if (position === begin) throw error(`${what}: expected a whole number, found ${describeNext()}`, here());
    // 40: longer than any number that can be right, short enough for a message.
    const text = String.fromCharCode(...bytes.subarray(begin, Math.min(position, begin + 40)));
    if (position - begin > 40 || !/^(0|[1-9][0-9]*)$/.test(text)) {
      throw error(`${what}: expected a whole number of at least 0, received ${text}`, start + begin);
    }
    if (!Number.isSafeInteger(Number(text))) throw error(`${what}: ${text} is too large`, start + begin);
    return Number(text);
  }

  /** The members of an object or array, separated by commas, up to `close`. */
  function list(open: string, close: string, what: string, member: () => void): void {
    take(open, what);
    if (peek() === close.charCodeAt(0)) return void position++;
    member();
    while (peek() === comma) {
      position++;
      member();
    }
    take(close, what);
  }

  return {
    error,
    string,
    object(what, member) {
      list("{", "}", what, () => {
        peek();
        const at = here();
        const key = string(`a name in ${what}`);
        take(":", `${what}, after "${key}"`);
        member(key, at);
      });
    },
    counts(what) {
      const values: number[] = [];
      list("[", "]", what, () => values.push(count(what)));
      return values;
    },
    end() {
      if (peek() !== undefined) throw error(`something follows the header's closing brace: ${describeNext()}`, here());
    },
  };
}

/** Whether a string has no half of a surrogate pair: only then does it survive UTF-8. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
