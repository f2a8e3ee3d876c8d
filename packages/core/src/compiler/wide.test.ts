import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { build } from "../networks/build.ts";
import { load } from "../runtime/model.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { compile } from "./compile.ts";

describe("wide", () => {
  it("gives the same bits as 128-bit vectors, on random graphs", { timeout: 120_000 }, async () => {
    for (let seed = 0; seed < 200; seed++) {
      const { graph, weights, inputs } = randomGraph(seed);
      using narrow = await load(compile(graph, { weights }));
      using wide = await load(compile(graph, { weights, wide: true }));
      expect(wide.run(inputs), `seed ${seed}`).toEqual(narrow.run(inputs));
    }
  });

  it("gives the same bits where vectors are odd in number and where groups are large, on any number of threads", {
    timeout: 120_000,
  }, async () => {
    for (const name of ["shufflenet_v2_1.0", "igcv1_l100m2_imagenet"]) {
      const network = build(name, { resolution: 64 });
      using narrow = await load(compile(network));
      const input = narrow.input("input").map((_, i) => Math.sin(i));
      const expected = narrow.run({ input });
      const compiled = compile(network, { wide: true, threads: 3 });
      for (const threads of [1, 2, 3]) {
        using wide = await load(compiled, { threads });
        expect(wide.run({ input }), `${name}, ${threads} threads`).toEqual(expected);
      }
    }
  });

  it("is taken by V8 in every hot kernel of MobileNet V2", { timeout: 120_000 }, async () => {
    // V8 traces on standard output, so another process compiles the module with everything optimised at once.
    const script = `
      import { build, compile, load } from "@depthwise/core";
      using model = await load(compile(build("mobilenet_v2_1.0_224"), { wide: true, names: true }));
      model.execute();
      console.log("HOT " + JSON.stringify([...new Set(model.manifest.steps.filter((step) => step.macs > 0).flatMap((step) => step.kernels.filter((name) => !name.startsWith("f32_fill"))))]));
    `;
    const flags = [
      "--conditions=@depthwise/source",
      "--experimental-wasm-revectorize",
      "--trace-wasm-revectorize",
      "--no-liftoff",
      "--single-threaded",
      "--input-type=module",
      "--eval",
      script,
    ];
    const { stdout } = await promisify(execFile)(process.execPath, flags, {
      maxBuffer: 1 << 30,
      cwd: import.meta.dirname,
    });
    const hot = JSON.parse(/^HOT (.*)$/m.exec(stdout)?.[1] ?? "[]") as string[];
    expect(hot.length).toBeGreaterThan(20);
    const traced = (kernel: string) => stdout.includes(`Begin revec function ${kernel}\n`);
    // A kernel that is called once may be inlined into its caller, and is joined there.
    expect(hot.filter((kernel) => !isRevectorized(stdout, traced(kernel) ? kernel : "run"))).toEqual([]);
    expect(hot.filter(traced).length).toBeGreaterThan(20);
    expect(isRevectorized(stdout, "no such kernel")).toBe(false);
  });
});

/** Whether the trace, between a function's beginning and the next one's, says that V8 joined vectors of it. */
function isRevectorized(trace: string, kernel: string): boolean {
  const [, own = ""] = trace.split(`Begin revec function ${kernel}\n`);
  const end = own.indexOf("Begin revec function ");
  return /Decide to vectorize, [1-9]\d* revectorizable nodes/.test(end < 0 ? own : own.slice(0, end));
}
