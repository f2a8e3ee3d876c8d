import { FormatError } from "@depthwise/core";

/** An object of JSON. Keys are the file's: they are only ever asked for by `field`. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The longest JSON that is read: parsed it takes many times its length, and the weights lie elsewhere. */
const longestJson = 4 * 2 ** 20;

/** No model comes near; parsers take seconds for a million. */
const deepestJson = 256;

const letters = { quote: 0x22, backslash: 0x5c, openList: 0x5b, openObject: 0x7b, closeList: 0x5d, closeObject: 0x7d };

/** Whether lists and objects are nested so deep, as far as the text is JSON. */
function isDeeperThan(bytes: Uint8Array, limit: number): boolean {
  let depth = 0;
  let isText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (isText && byte === letters.backslash) i++;
    else if (byte === letters.quote) isText = !isText;
    else if (!isText && (byte === letters.openList || byte === letters.openObject) && ++depth > limit) return true;
    else if (!isText && (byte === letters.closeList || byte === letters.closeObject)) depth--;
  }
  return false;
}

/** A `model.json`. */
export function parseJson(bytes: Uint8Array, file: string | undefined): JsonObject {
  const details = file === undefined ? {} : { file };
  if (bytes.length > longestJson) {
    throw new FormatError(
      `A model.json of ${bytes.length} bytes is too long; read are at most ${longestJson}.`,
      details,
    );
  }
  if (isDeeperThan(bytes, deepestJson)) {
    throw new FormatError(`Not a TensorFlow.js model: its JSON is nested more than ${deepestJson} deep.`, details);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new FormatError(`Not a TensorFlow.js model: ${(error as Error).message}.`, { cause: error, ...details });
  }
  if (!isObject(value)) throw new FormatError("Not a TensorFlow.js model: its JSON is no object.", details);
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field of an object, undefined where it is not there, or null. */
export function field(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? (object[key] ?? undefined) : undefined;
}

/** A field that is an object; an empty one where it is not there. */
export function objectField(object: JsonObject, key: string): JsonObject {
  const value = field(object, key) ?? {};
  if (isObject(value)) return value;
  throw wrong(key, "an object", value);
}

/** A field that is a list; an empty one where it is not there. */
export function listField(object: JsonObject, key: string): readonly unknown[] {
  const value = field(object, key) ?? [];
  if (Array.isArray(value)) return value;
  throw wrong(key, "a list", value);
}

/** A field that is a list of objects. */
export function objectsField(object: JsonObject, key: string): readonly JsonObject[] {
  const list = listField(object, key);
  const stranger = list.find((value) => !isObject(value));
  if (stranger !== undefined) throw wrong(key, "a list of objects", stranger);
  return list as readonly JsonObject[];
}

/** A field that is a text. */
export function textField(object: JsonObject, key: string, otherwise?: string): string {
  const value = field(object, key) ?? otherwise;
  if (typeof value === "string") return value;
  throw wrong(key, "a text", value);
}

/** A field that is a number. */
export function numberField(object: JsonObject, key: string, otherwise?: number): number {
  const value = field(object, key) ?? otherwise;
  if (typeof value === "number") return value;
  throw wrong(key, "a number", value);
}

/** A field that is true or false. */
export function booleanField(object: JsonObject, key: string, otherwise: boolean): boolean {
  const value = field(object, key) ?? otherwise;
  if (typeof value === "boolean") return value;
  throw wrong(key, "true or false", value);
}

/** A list of whole numbers. */
export function integers(value: unknown, what: string): readonly number[] {
  if (Array.isArray(value) && value.every((each) => Number.isSafeInteger(each))) return value as readonly number[];
  throw wrong(what, "a list of whole numbers", value);
}

function wrong(what: string, expected: string, value: unknown): FormatError {
  return new FormatError(`"${what}" must be ${expected}, received ${shown(value)}.`);
}

/** A value of JSON in a few letters. Not by JSON.stringify: it may be deeply nested. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return `"${value.slice(0, 60)}"`;
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return String(value);
}
