import { FormatError } from "../errors.ts";

/** Checks a value of unknown type; the path says where it stands, for messages: `nodes[3].operation.stride`. */
export type Read<T> = (value: unknown, path: string) => T;

/** Readers of an object's members: all are needed, and no others may be there. */
export type Members<T> = { readonly [K in keyof T]-?: Read<T[K]> };

/** For a union of records told apart by the member `Tag`: each record's other members. */
export type Alternatives<U extends { readonly [K in Tag]: string }, Tag extends string> = {
  readonly [K in U[Tag]]: Members<Omit<Extract<U, { readonly [T in Tag]: K }>, Tag>>;
};

/** Refuses a value: "nodes[3].inputs: expected a list, received 7." */
export function refuse(path: string, expected: string, received: unknown): never {
  throw new FormatError(`${path}: expected ${expected}, received ${summary(received)}.`);
}

/** A value in a few words, safe to print. */
function summary(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" || typeof value === "symbol" ? `a ${typeof value}` : String(value);
}

function member(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An object with exactly the given members. */
export function record<T extends object>(members: Members<T>): Read<T> {
  return (value, path) => {
    if (!isRecord(value)) return refuse(path === "" ? "graph" : path, "an object", value);
    const keys = Object.keys(members) as (keyof T & string)[];
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(members, key)) {
        throw new FormatError(`${member(path, summary(key))}: unknown member. Expected ${keys.join(", ")}.`);
      }
    }
    const entries = keys.map((key) => {
      if (!Object.hasOwn(value, key)) throw new FormatError(`${member(path, key)}: missing.`);
      return [key, members[key](value[key], member(path, key))];
    });
    return Object.fromEntries(entries) as T;
  };
}

/** An object whose member `tag` says which other members it has. */
export function tagged<U extends { readonly [K in Tag]: string }, Tag extends string>(
  tag: Tag,
  alternatives: Alternatives<U, Tag>,
): Read<U> {
  const names = Object.keys(alternatives);
  return (value, path) => {
    if (!isRecord(value)) return refuse(path, "an object", value);
    const name = Object.hasOwn(value, tag) ? value[tag] : undefined;
    if (name === undefined) throw new FormatError(`${member(path, tag)}: missing.`);
    if (typeof name !== "string" || !Object.hasOwn(alternatives, name)) {
      return refuse(member(path, tag), `one of ${names.join(", ")}`, name);
    }
    const members = { [tag]: choice(names), ...alternatives[name as U[Tag]] } as unknown as Members<U>;
    return record(members)(value, path);
  };
}

/** A list of at most `limit` elements. */
export function list<T>(element: Read<T>, limit: number): Read<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return refuse(path, "a list", value);
    if (value.length > limit) return refuse(path, `a list of at most ${limit}`, value);
    return Array.from(value, (item, index) => element(item, `${path}[${index}]`));
  };
}

/** One of the given strings. */
export function choice<T extends string>(choices: readonly T[]): Read<T> {
  return (value, path) => {
    const found = choices.find((name) => name === value);
    return found ?? refuse(path, `one of ${choices.join(", ")}`, value);
  };
}

/** A whole number of `low` to `high`. Minus zero becomes zero. */
export function whole(low: number, high: number): Read<number> {
  return (value, path) => {
    if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
      return refuse(path, `a whole number of ${low} to ${high}`, value);
    }
    return value + 0;
  };
}

/** True or false. */
export const boolean: Read<boolean> = (value, path) =>
  typeof value === "boolean" ? value : refuse(path, "true or false", value);

/** A finite number. */
export const finite: Read<number> = (value, path) =>
  typeof value === "number" && Number.isFinite(value) ? value : refuse(path, "a finite number", value);

/** Numbers that JSON cannot write are strings there. */
const namedNumbers: ReadonlyMap<unknown, number> = new Map([
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["-0", -0],
]);

/** Any number but NaN, as `writeNumber` writes it. */
export const number: Read<number> = (value, path) => namedNumbers.get(value) ?? finite(value, path);

/** A number as JSON can hold it: infinities and minus zero as strings. */
export function writeNumber(value: number): number | string {
  for (const [name, named] of namedNumbers) if (Object.is(named, value)) return name as string;
  return value;
}
