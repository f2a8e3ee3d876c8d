import { describe, expect, it } from "vitest";
import { build } from "../networks/build.ts";
import { load } from "../runtime/model.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { compile } from "./compile.ts";

/** Numbers as bits, so that not-a-number equals itself and zeros keep their signs. */
function bits(outputs: Record<string, Float32Array<ArrayBuffer>>): Record<string, Int32Array> {
  return Object.fromEntries(Object.entries(outputs).map(([name, floats]) => [name, new Int32Array(floats.buffer)]));
}

describe("threads", () => {
  it("give the same bits for every number of them, on random graphs", { timeout: 120_000 }, async () => {
    for (let seed = 0; seed < 60; seed++) {
      const { graph, weights, inputs } = randomGraph(seed);
      using alone = await load(compile(graph, { weights }));
      const expected = bits(alone.run(inputs));
      const compiled = compile(graph, { weights, threads: 4 });
      for (const threads of [1, 2, 3, 4]) {
        using model = await load(compiled, { threads });
        expect(model.threads).toBe(threads);
        for (let run = 0; run < 3; run++)
          expect(bits(model.run(inputs)), `seed ${seed}, ${threads} threads`).toEqual(expected);
      }
    }
  });

  it("give the same bits on whole networks, run after run", { timeout: 120_000 }, async () => {
    for (const [name, options] of [
      ["mobilenet_v2", { width: 0.35, resolution: 64 }],
      // Large enough that threads help each other at most steps, in bands and without.
      ["mobilenet_v2", { resolution: 128 }],
      ["shufflenet_v2", { width: 0.5, resolution: 64 }],
      ["squeezenet_1.1", { resolution: 65 }],
      ["igcv1_l24m2_cifar", {}],
    ] as const) {
      const network = build(name, options);
      using alone = await load(compile(network));
      const input = alone.input("input").map((_, i) => Math.sin(i));
      const expected = bits(alone.run({ input }));
      const compiled = compile(network, { threads: 3 });
      for (const threads of [2, 3]) {
        using model = await load(compiled, { threads });
        for (let run = 0; run < 20; run++) expect(bits(model.run({ input })), name).toEqual(expected);
      }
    }
  });

  it("end with dispose, and leave a process that may end", async () => {
    const network = build("mobilenet_v2_cifar");
    for (let round = 0; round < 10; round++) {
      const model = await load(compile(network, { threads: 2 }));
      model.execute();
      model.dispose();
      expect(() => model.execute()).toThrow(/was disposed/);
    }
  });

  it("refuses a number of threads that is none", async () => {
    const network = build("mobilenet_v2_cifar");
    expect(() => compile(network, { threads: 0 })).toThrow(/threads must be a whole number from 1 to 64, received 0/);
    await expect(load(compile(network), { threads: 1.5 })).rejects.toThrow(
      /threads must be a whole number of at least 1/,
    );
  });
});
