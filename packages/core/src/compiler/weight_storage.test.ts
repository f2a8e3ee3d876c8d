import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WeightsError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { initializeWeights } from "../graph/initialize.ts";
import { build } from "../networks/build.ts";
import { seededRandom } from "../random.ts";
import { load } from "../runtime/model.ts";
import { elementCount, type Tensor, tensor, type Weights } from "../tensor.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { drawnInputs } from "../testing/rewritten.ts";
import { createModule } from "../wasm/module_builder.ts";
import { type CompileOptions, compile } from "./compile.ts";
import type { Constant, Panels } from "./plan.ts";
import { emitDecoding, halfBits, storeWeights, type WeightType } from "./weight_storage.ts";

const start = 64;

/** Stores panels, puts them where they belong in a memory of their own size, and decodes them there. */
function roundTrip(floats: Float32Array<ArrayBuffer>, panels: readonly Panels[], type: WeightType) {
  const constant: Constant = {
    bytes: floats.byteLength,
    holds: "weights",
    panels,
    write: ({ f32 }) => f32.set(floats),
  };
  const image = new Uint8Array(floats.slice().buffer);
  const stored = storeWeights(image, start, new Map([[constant, start]]), type);
  const memory = new WebAssembly.Memory({ initial: Math.ceil((start + image.length) / 65536) });
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(0x55);
  bytes.set(stored.bytes, stored.offset);
  const module = createModule();
  module.importMemory("env", "memory", { minPages: 1 });
  const decode = emitDecoding(module, stored.moves);
  module.function("initialize", { params: {}, results: [], export: "initialize" }, decode);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
  (instance.exports.initialize as () => void)();
  const after = bytes.subarray(start + image.length);
  return {
    stored: stored.bytes.length,
    decoded: new Float32Array(memory.buffer, start, floats.length),
    isUntouchedBeyond: bytes.subarray(0, start).every((byte) => byte === 0x55) && after.every((byte) => byte === 0x55),
  };
}

const panelLists = fc.array(
  fc.record({
    count: fc.integer({ min: 1, max: 5 }),
    rows: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 30, max: 50 })),
    lanes: fc.constantFrom(4, 8, 16, 24),
  }),
  { minLength: 1, maxLength: 4 },
);

function floatsOf(panels: readonly Panels[]): number {
  return panels.reduce((sum, { count, rows, lanes }) => sum + count * rows * lanes, 0);
}

/** Each float of the panels with its row and, by panel and lane, the channel it belongs to. */
function places(panels: readonly Panels[]): readonly { readonly row: number; readonly channel: string }[] {
  return panels.flatMap(({ count, rows, lanes }, list) =>
    Array.from({ length: count * rows * lanes }, (_, i) => ({
      row: Math.floor(i / lanes) % rows,
      channel: `${list} ${Math.floor(i / lanes / rows)} ${i % lanes}`,
    })),
  );
}

describe("halves", () => {
  it("is what the platform rounds to", () => {
    const view = new DataView(new ArrayBuffer(2));
    const expected = (value: number): number => {
      view.setFloat16(0, value);
      return view.getUint16(0);
    };
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -65504, max: 65504 }), (value) => {
        expect(halfBits(value)).toBe(expected(value));
      }),
      { numRuns: 20_000 },
    );
    // Halves, and the floats half-way between neighbours: every tie.
    for (let bits = 0; bits < 0x7bff; bits++) {
      view.setUint16(0, bits);
      const here = view.getFloat16(0);
      view.setUint16(0, bits + 1);
      const middle = (here + view.getFloat16(0)) / 2;
      if (halfBits(here) !== bits || halfBits(middle) !== expected(middle)) expect.fail(`half ${bits.toString(16)}`);
    }
  });

  it("gives every half back, signs of zero and subnormal numbers too", () => {
    const view = new DataView(new ArrayBuffer(2));
    const finite = Array.from({ length: 0x10000 }, (_, bits) => bits).filter((bits) => (bits & 0x7c00) !== 0x7c00);
    const halves = finite.map((bits) => {
      view.setUint16(0, bits);
      return view.getFloat16(0);
    });
    const floats = Float32Array.from([0, 0, 0, 0, ...halves]);
    const { decoded } = roundTrip(floats, [{ count: 1, rows: floats.length / 4, lanes: 4 }], "f16");
    expect(new Uint32Array(decoded.slice().buffer)).toEqual(new Uint32Array(floats.buffer));
  });

  it("are kept exactly by f16, whatever the biases are", () => {
    const floats = Float32Array.from({ length: 8 * 65 }, (_, i) => (i < 8 ? Math.PI * i : (i % 97) / 64 - 0.5));
    const { decoded, stored } = roundTrip(floats, [{ count: 1, rows: 65, lanes: 8 }], "f16");
    expect(decoded).toEqual(floats);
    expect(stored).toBe(8 * (4 + 2 * 64));
  });
});

describe.each(["f16", "int8"] as const)("weights stored as %s", (type) => {
  it("come back within half a step, biases exactly, and nothing else is touched", () => {
    fc.assert(
      fc.property(panelLists, fc.nat(), (panels, seed) => {
        const random = seededRandom(seed);
        const floats = Float32Array.from({ length: floatsOf(panels) }, () => random.normal() * 10 ** -random.below(4));
        const { decoded, stored, isUntouchedBeyond } = roundTrip(floats, panels, type);
        expect(isUntouchedBeyond).toBe(true);
        expect(stored).toBeLessThanOrEqual(floats.byteLength);
        // Few weights a channel in any of the panels: twice the bits for all of them.
        const isSmall = panels.some(({ rows }) => rows <= 32);
        const most = type === "int8" && !isSmall ? 127 : 32767;
        const isExact = type === "f16" && isSmall;
        const where = places(panels);
        const largest = new Map<string, number>();
        where.forEach(({ row, channel }, i) => {
          if (row > 0) largest.set(channel, Math.max(largest.get(channel) ?? 0, Math.abs(floats[i]!)));
        });
        where.forEach(({ row, channel }, i) => {
          // Half a step, and two roundings of float32: of the scale, and of the product.
          const step = row === 0 || isExact ? 0 : (largest.get(channel) ?? 0) / most;
          const allowed = step / 2 + (step === 0 ? 0 : Math.abs(floats[i]!) * 2 ** -22);
          if (Math.abs(decoded[i]! - floats[i]!) > allowed) expect.fail(`float ${i}: ${decoded[i]} for ${floats[i]}`);
        });
      }),
    );
  });

  it.each([Number.POSITIVE_INFINITY, Number.NaN, Number.NEGATIVE_INFINITY])(
    "stay as they are with %d among them",
    (value) => {
      const floats = Float32Array.from({ length: 400 }, (_, i) => (i === 17 ? value : i / 3));
      const { decoded, stored } = roundTrip(floats, [{ count: 1, rows: 100, lanes: 4 }], type);
      expect([...decoded]).toEqual([...floats]);
      expect(stored).toBe(1600);
    },
  );

  it("take half or a quarter of the bytes", () => {
    const panels = [{ count: 8, rows: 1 + 256, lanes: 8 }];
    const floats = Float32Array.from({ length: floatsOf(panels) }, (_, i) => Math.sin(i));
    const share = roundTrip(floats, panels, type).stored / floats.byteLength;
    expect(share).toBeCloseTo(type === "f16" ? 0.5 : 0.25, 1);
  });
});

/**
 * Weights that every type holds exactly: whole numbers up to 127 times a power of two, with 127 itself in each channel. For networks
 * without batch norms, which would be folded into them.
 */
function exactWeights(graph: Graph, seed: number): Weights {
  const random = seededRandom(seed);
  return new Map(
    [...initializeWeights(graph, seed)].map(([name, { shape }]): [string, Tensor] => {
      const channels = shape.at(-1) ?? 1;
      const whole = (_: unknown, i: number): number => (i < channels ? 127 : random.below(255) - 127);
      return [
        name,
        tensor(
          shape,
          Float32Array.from({ length: elementCount(shape) }, (_, i) => whole(_, i) / 2048),
        ),
      ];
    }),
  );
}

async function bitsOf(graph: Graph, options: CompileOptions): Promise<readonly string[]> {
  using model = await load(compile(graph, options));
  const outputs = model.run(drawnInputs(graph));
  return Object.values(outputs).map((floats) => new Uint32Array(floats.buffer).join());
}

describe("stored networks", () => {
  it.each(["f16", "int8"] as const)("give the bits of float32 where %s holds the weights exactly", async (storage) => {
    for (const name of ["squeezenet_1.0", "squeezenet_1.1"]) {
      const { graph } = build(name, { resolution: 64 });
      const weights = exactWeights(graph, 3);
      const { stored, weightBytes } = compile(graph, { weights, storage }).manifest;
      expect(stored.bytes / weightBytes).toBeLessThan(storage === "f16" ? 0.53 : 0.29);
      expect(await bitsOf(graph, { weights, storage })).toEqual(await bitsOf(graph, { weights }));
    }
  });

  it("give the same bits split or not, on one thread or two, of random graphs", { timeout: 60_000 }, async () => {
    for (let seed = 0; seed < 8; seed++) {
      const { graph, weights } = randomGraph(seed);
      for (const storage of ["f32", "f16", "int8"] as const) {
        const whole = await bitsOf(graph, { weights, storage });
        expect(await bitsOf(graph, { weights, storage, split: true }), `seed ${seed}`).toEqual(whole);
        expect(await bitsOf(graph, { weights, storage, split: true, threads: 2 }), `seed ${seed}`).toEqual(whole);
      }
    }
  });

  it("split need their weights, all of them", async () => {
    const compiled = compile(build("mobilenet_v2_cifar"), { split: true });
    expect(compiled.bytes.length).toBeLessThan(compiled.manifest.weightBytes / 10);
    expect(compiled.weights?.length).toBe(compiled.manifest.stored.bytes);
    const { bytes, manifest, weights = new Uint8Array() } = compiled;
    await expect(load({ bytes, manifest })).rejects.toThrow(WeightsError);
    await expect(load({ bytes, manifest, weights: weights.slice(1) })).rejects.toThrow(
      /expected its weights of \d+ bytes/,
    );
  });

  it("refuse a type that there is not", () => {
    expect(() => compile(build("mobilenet_v2_cifar"), { storage: "f8" as never })).toThrow(
      /storage must be one of f32, f16, int8, received "f8"/,
    );
  });
});
