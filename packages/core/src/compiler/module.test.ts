import { describe, expect, it } from "vitest";
import { build } from "../networks/build.ts";
import { loweredOf, planTarget } from "../testing/lowered.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { compile } from "./compile.ts";
import { emit } from "./emit.ts";

const targets = (["relaxed", "plain"] as const).flatMap((simd) =>
  [1, 3].flatMap((threads) => [false, true].map((profile) => ({ simd, threads, profile }))),
);

describe("modules", () => {
  it.each(targets)("of random graphs validate, with and without names: %j", { timeout: 60_000 }, (target) => {
    for (let seed = 0; seed < 60; seed++) {
      const { graph, weights } = randomGraph(seed);
      const [short, named] = [false, true].map((names) => compile(graph, { weights, names, ...target }).bytes);
      expect(WebAssembly.validate(short as never), `seed ${seed}`).toBe(true);
      expect(WebAssembly.validate(named as never), `seed ${seed}`).toBe(true);
      expect(short?.length).toBeLessThan(named?.length ?? 0);
    }
  });

  it("of equal input have equal bytes", () => {
    for (let seed = 0; seed < 60; seed++) {
      const { graph, weights } = randomGraph(seed);
      const [first, second] = [0, 1].map(() => compile(graph, { weights }));
      expect(second, `seed ${seed}`).toEqual(first);
    }
  });

  it("have one function for each kernel, under the kernel's name", () => {
    const { module, manifest } = emit("igcv1", loweredOf(build("igcv1_cifar").graph), planTarget, {
      names: true,
      storage: "f32",
      split: false,
    });
    const text = module.text();
    const kernels = new Set(manifest.steps.flatMap((step) => step.kernels));
    expect(kernels.size).toBeGreaterThan(5);
    for (const kernel of kernels) expect(text.split(`(func $${kernel} `).length, kernel).toBe(2);
    expect(text).toContain('(export "run"');
  });

  it("share the kernels of equal layers", () => {
    const { manifest } = compile(build("mobilenet_v2_1.0_224"));
    const expand = ["stage4/unit2", "stage4/unit3", "stage4/unit4"].map(
      (unit) => manifest.steps.find((step) => step.name.startsWith(`${unit}/expand`))?.kernels,
    );
    expect(expand[0]).toBeDefined();
    expect(expand[1]).toEqual(expand[0]);
    expect(expand[2]).toEqual(expand[0]);
  });

  it("of MobileNet V2 take at most 120 KB beside the weights", () => {
    for (const simd of ["relaxed", "plain"] as const) {
      const { bytes, manifest } = compile(build("mobilenet_v2_1.0_224"), { simd });
      expect(bytes.length - manifest.weightBytes).toBeLessThanOrEqual(120 * 1024);
    }
  });
});
