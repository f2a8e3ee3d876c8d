import { OptionError } from "./errors.ts";

/** A stream of random numbers that is the same, bit for bit, on every machine and in every engine. */
export interface Random {
  /** A whole number of 0 to 2^32 − 1. */
  uint32(): number;
  /** A number of [0, 1), a multiple of 2^-32. */
  uniform(): number;
  /** A whole number of 0 to `count` − 1, `count` at most 2^32. */
  below(count: number): number;
  /** A number of the normal distribution with mean 0 and deviation 1. */
  normal(): number;
}

/** The items in a drawn order (Fisher and Yates). `below` draws a whole number below its argument. */
export function shuffled<T>(items: readonly T[], below: (count: number) => number): readonly T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = below(last + 1);
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
}

/**
 * The stream number `seed` of the given name: streams of different names are independent of each other, and of the order in which
 * they are made. The generator is sfc32 (Doty-Humphrey, PractRand), seeded through MurmurHash3's finaliser.
 *
 * @throws {OptionError} if the seed is not a whole number of 0 to 2^53 − 1
 */
export function seededRandom(seed: number, name = ""): Random {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new OptionError(`A seed is a whole number of 0 to 2^53 - 1, received ${seed}.`);
  }
  const uint32 = sfc32(seed % 2 ** 32, Math.floor(seed / 2 ** 32), hashName(name));
  const uniform = (): number => uint32() / 2 ** 32;
  const normals = normalPairs(uniform);
  return {
    uint32,
    uniform,
    below: (count) => Math.floor(uniform() * count),
    normal: normals,
  };
}

function sfc32(low: number, high: number, name: number): () => number {
  let a = mix(low ^ 0x9e3779b9);
  let b = mix(high ^ a);
  let c = mix(name ^ b);
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 15; round++) next(); // the author's count, until every bit of the state depends on every bit of the seed
  return next;
}

/** The finaliser of MurmurHash3: each bit of the input flips each bit of the result half the time. */
function mix(value: number): number {
  let bits = value;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

/** FNV-1a over the UTF-16 code units. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash;
}

/** Marsaglia's polar method: a point in the unit circle gives two normals. */
function normalPairs(uniform: () => number): () => number {
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    let x: number;
    let y: number;
    let square: number;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const radius = Math.sqrt((-2 * naturalLogarithm(square)) / square);
    spare = y * radius;
    return x * radius;
  };
}

/**
 * The natural logarithm of a number of (0, 1], within 1e-15. Math.log may differ in its last bit from engine to engine; this takes
 * only the operations that IEEE 754 rounds in one way.
 */
function naturalLogarithm(value: number): number {
  let mantissa = value;
  let exponent = 0;
  while (mantissa < Math.SQRT1_2) {
    mantissa *= 2;
    exponent--;
  }
  // ln m = 2·artanh(z), z = (m − 1) / (m + 1), |z| < 0.172: twelve terms of z + z³/3 + z⁵/5 + … leave less than 1e-19.
  const z = (mantissa - 1) / (mantissa + 1);
  const square = z * z;
  let series = 0;
  for (let odd = 23; odd >= 1; odd -= 2) series = series * square + 1 / odd;
  return exponent * Math.LN2 + 2 * z * series;
}
