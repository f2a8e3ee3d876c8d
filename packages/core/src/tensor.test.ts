import { describe, expect, it } from "vitest";
import { ShapeError } from "./errors.ts";
import {
  bytesPerElement,
  type DType,
  elementCount,
  floatToHalf,
  formatShape,
  halfToFloat,
  sameShape,
  type Tensor,
  tensor,
  toFloat32,
} from "./tensor.ts";

describe("shapes", () => {
  it("count their elements, a scalar as one", () => {
    expect(elementCount([2, 3, 4])).toBe(24);
    expect(elementCount([])).toBe(1);
  });

  it("are printed with x between the lengths", () => {
    expect(formatShape([1, 224, 224, 3])).toBe("1x224x224x3");
    expect(formatShape([])).toBe("scalar");
  });

  it("are the same if every length is", () => {
    expect(sameShape([1, 2], [1, 2])).toBe(true);
    expect(sameShape([1, 2], [2, 1])).toBe(false);
    expect(sameShape([1, 2], [1, 2, 1])).toBe(false);
  });
});

describe("tensor", () => {
  it("takes data without copying it, or starts at zero", () => {
    const data = new Float32Array([1, 2, 3, 4]);
    expect(tensor([2, 2], data).data).toBe(data);
    expect([...tensor([3]).data]).toEqual([0, 0, 0]);
  });

  it("refuses data of another length", () => {
    expect(() => tensor([2, 2], new Float32Array(3))).toThrow(
      new ShapeError("A tensor of shape 2x2 needs 4 elements, received 3."),
    );
  });
});

const infinity = 0x7c00;
const floatAfter = (value: number, step: number): number => {
  const bits = new Uint32Array(new Float32Array([value]).buffer);
  bits[0] = (bits[0] as number) + step; // for positive numbers, neighbours in value are neighbours in bits
  return new Float32Array(bits.buffer)[0] as number;
};

describe("half precision", () => {
  it("reads known values", () => {
    const known: [bits: number, value: number][] = [
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x0400, 2 ** -14],
      [0x0001, 2 ** -24],
      [0x3555, 0.333251953125],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xfc00, Number.NEGATIVE_INFINITY],
      [0x8000, -0],
    ];
    for (const [bits, value] of known) expect(Object.is(halfToFloat(bits), value), bits.toString(16)).toBe(true);
    expect(halfToFloat(0x7c01)).toBeNaN();
    expect(halfToFloat(0xfe00)).toBeNaN();
  });

  it("comes back from float32 with the same bits, all 65536 of them", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = halfToFloat(bits);
      const back = floatToHalf(value);
      if (Number.isNaN(value)) expect(halfToFloat(back), bits.toString(16)).toBeNaN();
      else expect(back, bits.toString(16)).toBe(bits);
    }
  });

  it("is rounded to the nearest, ties to even, between every two neighbours", () => {
    for (let bits = 0; bits < infinity; bits++) {
      const low = halfToFloat(bits);
      // Beyond the largest half the next step of the same size counts as infinity's place.
      const high = bits + 1 === infinity ? 65536 : halfToFloat(bits + 1);
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const wrong = [
        floatToHalf(middle) !== even,
        floatToHalf(floatAfter(middle, -1)) !== bits,
        floatToHalf(floatAfter(middle, 1)) !== bits + 1,
        floatToHalf(-middle) !== (even | 0x8000),
      ];
      if (wrong.includes(true)) expect.fail(`half ${bits.toString(16)} and its neighbour: ${wrong.join(", ")}`);
    }
  });

  it("overflows to infinity and keeps NaN", () => {
    expect(floatToHalf(65520)).toBe(infinity);
    expect(floatToHalf(1e30)).toBe(infinity);
    expect(floatToHalf(Number.NEGATIVE_INFINITY)).toBe(0xfc00);
    expect(halfToFloat(floatToHalf(Number.NaN))).toBeNaN();
  });
});

describe("toFloat32", () => {
  it("returns float32 data itself", () => {
    const data = new Float32Array([1, 2]);
    expect(toFloat32(tensor([2], data))).toBe(data);
  });

  it.each<[DType, Tensor["data"], number[]]>([
    ["f16", new Uint16Array([0x3c00, 0xc000]), [1, -2]],
    ["bf16", new Uint16Array([0x3f80, 0xc040, 0xff80]), [1, -3, Number.NEGATIVE_INFINITY]],
    ["f64", new Float64Array([0.1, -2]), [Math.fround(0.1), -2]],
    ["i8", new Int8Array([-128, 127]), [-128, 127]],
    ["u8", new Uint8Array([0, 255]), [0, 255]],
    ["i16", new Int16Array([-32768]), [-32768]],
    ["u16", new Uint16Array([65535]), [65535]],
    ["i32", new Int32Array([-7]), [-7]],
    ["u32", new Uint32Array([2 ** 31]), [2 ** 31]],
    ["i64", new BigInt64Array([-5n]), [-5]],
    ["u64", new BigUint64Array([5n]), [5]],
    ["bool", new Uint8Array([0, 1]), [0, 1]],
  ])("converts %s", (dtype, data, expected) => {
    expect(data.BYTES_PER_ELEMENT).toBe(bytesPerElement[dtype]);
    expect([...toFloat32({ dtype, shape: [expected.length], data } as Tensor)]).toEqual(expected);
  });
});
