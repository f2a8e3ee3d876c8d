import { ShapeError, type Tensor, UnsupportedError } from "@depthwise/core";
import fc from "fast-check";
import { unzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { arrayTypes, type DType } from "../typed_arrays.ts";
import { readPytorch } from "./read_pytorch.ts";
import { writePytorch } from "./write_pytorch.ts";

const dtypes: readonly DType[] = ["f32", "f64", "f16", "bf16", "i64", "i32", "i16", "i8", "u8", "bool"];

const anyTensor: fc.Arbitrary<Tensor> = fc
  .tuple(
    fc.constantFrom(...dtypes),
    fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    fc.infiniteStream(fc.integer({ min: 0, max: 1 })),
  )
  .map(([dtype, shape, stream]) => {
    const data = new arrayTypes[dtype](shape.reduce((product, length) => product * length, 1));
    for (let i = 0; i < data.length; i++) {
      const value = stream.next().value as number;
      data[i] = (data instanceof BigInt64Array ? BigInt(value) : value) as never;
    }
    return { dtype, shape, data } as Tensor;
  });

describe("writePytorch", () => {
  const tensors = new Map<string, Tensor>([
    ["conv.weight", { dtype: "f32", shape: [2, 3, 1, 1], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ["steps", { dtype: "i64", shape: [], data: BigInt64Array.of(9n) }],
  ]);

  it("writes the files of torch.save, stored, each at a multiple of 64 bytes", () => {
    const bytes = writePytorch(tensors);
    // A reader that is not ours.
    const files = unzipSync(bytes);
    expect(Object.keys(files)).toEqual([
      "archive/data.pkl",
      "archive/byteorder",
      "archive/data/0",
      "archive/data/1",
      "archive/version",
    ]);
    expect(new TextDecoder().decode(files["archive/byteorder"])).toBe("little");
    expect(new TextDecoder().decode(files["archive/version"])).toBe("3\n");
    expect(new Float32Array(Uint8Array.from(files["archive/data/0"] as Uint8Array).buffer)).toEqual(
      Float32Array.of(1, 2, 3, 4, 5, 6),
    );
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (let i = 0; i < 5; i++) {
      const data = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
      expect(data % 64).toBe(0);
      at = data + view.getUint32(at + 18, true);
    }
  });

  it("writes the pickle that PyTorch writes, but for numbering", () => {
    const pickle = unzipSync(writePytorch(tensors))["archive/data.pkl"] as Uint8Array;
    // As pickletools.dis prints what torch.save (2.13) wrote for the same, without PUT, GET and what they repeat.
    const letters = Buffer.from(pickle).toString("latin1");
    expect(letters.startsWith("\x80\x02ccollections\nOrderedDict\nq\x00(tR(X\x0b\x00\x00\x00conv.weight")).toBe(true);
    expect(letters).toContain("ctorch._utils\n_rebuild_tensor_v2\n");
    expect(letters).toContain("ctorch\nFloatStorage\n");
    expect(letters).toContain("K\x06tQK\x00(K\x02K\x03K\x01K\x01t(K\x03K\x01K\x01K\x01t\x89");
    expect(letters).toContain("ctorch\nLongStorage\n");
    expect(letters.endsWith("u.")).toBe(true);
  });

  it("writes the same bytes for the same tensors", () => {
    expect(writePytorch(tensors)).toEqual(writePytorch(tensors));
  });

  it("names the folder as asked", () => {
    expect(Object.keys(unzipSync(writePytorch(tensors, { name: "net" })))[0]).toBe("net/data.pkl");
  });

  it("gives back any tensors", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.string({ unit: "grapheme" }), anyTensor), {
          selector: ([name]) => `w.${name}`,
          minLength: 1,
          maxLength: 6,
        }),
        (entries) => {
          const given = new Map(entries.map(([name, tensor]) => [`w.${name}`, tensor]));
          expect([...readPytorch(writePytorch(given)).tensors]).toEqual([...given]);
        },
      ),
    );
  });

  it("refuses what PyTorch's storages do not hold", () => {
    expect(() => writePytorch(new Map([["w", { dtype: "u32", shape: [1], data: Uint32Array.of(1) }]]))).toThrow(
      UnsupportedError,
    );
    expect(() => writePytorch(new Map([["w", { dtype: "f32", shape: [2], data: Float32Array.of(1) }]]))).toThrow(
      ShapeError,
    );
  });
});
