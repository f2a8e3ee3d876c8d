import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteWriter } from "./byte_writer.ts";
import { writeSigned, writeSigned64, writeUnsigned } from "./leb128.ts";

/** Reads LEB128 as the specification defines it: the sum of seven-bit digits, less 2^(7n) if the sign bit is set. */
function read(bytes: Uint8Array, signed: boolean): bigint {
  let value = 0n;
  for (const [index, byte] of bytes.entries()) {
    expect(byte >= 0x80, `byte ${index} of ${bytes.length}`).toBe(index < bytes.length - 1);
    value += BigInt(byte & 0x7f) << BigInt(7 * index);
  }
  const isNegative = signed && ((bytes.at(-1) ?? 0) & 0x40) !== 0;
  return isNegative ? value - (1n << BigInt(7 * bytes.length)) : value;
}

/** The fewest seven-bit digits that hold the value. */
function shortestLength(value: bigint, signed: boolean): number {
  for (let length = 1; ; length++) {
    const bits = BigInt(7 * length);
    const fits = signed ? BigInt.asIntN(Number(bits), value) === value : value < 1n << bits;
    if (fits) return length;
  }
}

function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(1); // so small that it must grow
  write(writer);
  return writer.toBytes();
}

/** Values around each change of length and at both ends of the width. */
function edges(bits: number): bigint[] {
  const around = Array.from({ length: bits + 1 }, (_, power) => 1n << BigInt(power));
  return around.flatMap((value) => [value - 1n, value, value + 1n, -value - 1n, -value, -value + 1n]);
}

describe("LEB128", () => {
  const unsigned32 = edges(32).filter((value) => value >= 0n && value < 2n ** 32n);
  const signed32 = edges(32).filter((value) => BigInt.asIntN(32, value) === value);
  const signed64 = edges(64).filter((value) => BigInt.asIntN(64, value) === value);

  it("writes the examples of the format's description", () => {
    expect([...written((writer) => writeUnsigned(writer, 624485))]).toEqual([0xe5, 0x8e, 0x26]);
    expect([...written((writer) => writeSigned(writer, -123456))]).toEqual([0xc0, 0xbb, 0x78]);
    expect([...written((writer) => writeUnsigned(writer, 0xffffffff))]).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f]);
    expect([...written((writer) => writeSigned(writer, -0x80000000))]).toEqual([0x80, 0x80, 0x80, 0x80, 0x78]);
  });

  it("round-trips every unsigned 32-bit integer in the shortest form", () => {
    const check = (value: bigint): void => {
      const bytes = written((writer) => writeUnsigned(writer, Number(value)));
      expect(read(bytes, false)).toBe(value);
      expect(bytes.length).toBe(shortestLength(value, false));
    };
    unsigned32.forEach(check);
    fc.assert(fc.property(fc.bigInt(0n, 2n ** 32n - 1n), check));
  });

  it("round-trips every signed 32-bit integer in the shortest form", () => {
    const check = (value: bigint): void => {
      const bytes = written((writer) => writeSigned(writer, Number(value)));
      expect(read(bytes, true)).toBe(value);
      expect(bytes.length).toBe(shortestLength(value, true));
    };
    signed32.forEach(check);
    fc.assert(fc.property(fc.bigInt(-(2n ** 31n), 2n ** 31n - 1n), check));
  });

  it("round-trips every signed 64-bit integer in the shortest form", () => {
    const check = (value: bigint): void => {
      const bytes = written((writer) => writeSigned64(writer, value));
      expect(read(bytes, true)).toBe(value);
      expect(bytes.length).toBe(shortestLength(value, true));
    };
    signed64.forEach(check);
    fc.assert(fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), check));
  });
});
