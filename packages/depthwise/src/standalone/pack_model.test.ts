import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  build,
  compile,
  initializeWeights,
  load,
  type Network,
  type Pixels,
  preprocess,
  UnsupportedError,
} from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { bestClasses, type ClassScore } from "../classification/best_classes.ts";
import { packSmall, smallNetwork, temporaryFolder, writeFiles } from "../testing/packed_model.ts";
import { nodes, runElsewhere } from "../testing/run_elsewhere.ts";
import { modelFiles, packModel } from "./pack_model.ts";
import { verifyModel } from "./verify_model.ts";

/** A picture that is a formula, here and in what runs elsewhere. */
const drawn = (): Pixels => ({
  width: 40,
  height: 30,
  data: Uint8Array.from({ length: 3600 }, (_, i) => (i * 73 + (i >> 3) * 41) % 256),
});
const picture = drawn();

/** What the library makes of it, by the code that the machine's engine runs. */
async function expected(
  simd: "relaxed" | "plain",
  options = {},
): Promise<{ logits: number[]; top: readonly ClassScore[] }> {
  const weights = initializeWeights(smallNetwork.graph, 7);
  using model = await load(compile(smallNetwork, { weights, simd, ...options }));
  const { output } = model.run({ input: preprocess(picture, smallNetwork.preprocessing) });
  return { logits: [...(output as Float32Array)], top: bestClasses(output as Float32Array, 3, smallNetwork.labels) };
}

interface Printed {
  readonly simd: "relaxed" | "plain";
  readonly threads: number;
  readonly logits: number[];
  readonly top: readonly ClassScore[];
  readonly labels: readonly string[];
  readonly afterDispose: string;
}

/** Uses a model's whole interface. */
const usage = `
import { createModel } from "./model.mjs";
const model = await createModel();
const picture = (${drawn})();
const top = model.classify(picture, { top: 3 });
const logits = [...model.run(Float32Array.from(${JSON.stringify([...preprocess(picture, smallNetwork.preprocessing)])}))];
model.dispose();
let afterDispose = "";
try { model.classify(picture); } catch (error) { afterDispose = error.message; }
const relaxed = WebAssembly.validate(Uint8Array.of(0,97,115,109,1,0,0,0,1,6,1,96,1,123,1,123,3,2,1,0,10,13,1,11,0,32,0,32,0,32,0,253,133,2,11));
console.log(JSON.stringify({ simd: relaxed ? "relaxed" : "plain", threads: model.threads, logits, top, labels: model.labels, afterDispose }));
`;

const forms = [
  ["in one module", {}],
  ["split", { split: true }],
  ["in a single file", { single: true }],
  ["for threads", { threads: 2 }],
  ["for threads, in a single file", { threads: 2, single: true }],
  ["in half precision, split", { storage: "f16", split: true }],
  ["in bytes, in a single file", { storage: "int8", single: true }],
] as const;

describe("a model in a folder with nothing else", () => {
  it.each(forms.flatMap(([form, options]) => nodes.map(([which, node]) => ({ form, options, which, node }))))(
    "$form gives the library's bits in $which",
    async ({ options, node }) => {
      await using folder = await temporaryFolder();
      await writeFiles(folder.path, await packSmall(options));
      const { simd, ...printed } = await runElsewhere<Printed>(node, folder.path, usage);
      const { logits, top } = await expected(simd, "storage" in options ? { storage: options.storage } : {});
      expect(printed.logits).toEqual(logits);
      expect(printed.top).toEqual(top);
      expect(printed.threads).toBe("threads" in options ? 2 : 1);
      expect(printed.labels).toEqual(smallNetwork.labels);
      expect(printed.afterDispose).toBe("mobilenet_v2_cifar was disposed.");
    },
  );

  it.each(nodes)("for plain SIMD only gives the library's bits in %s", async (_, node) => {
    await using folder = await temporaryFolder();
    await writeFiles(folder.path, await packSmall({ simd: "plain" }));
    const { logits } = await runElsewhere<Printed>(node, folder.path, usage);
    expect(logits).toEqual((await expected("plain")).logits);
  });

  it.each([{}, { split: true }, { single: true }])(
    "runs in either engine where tuning packs the builds' weights differently: %j",
    async (options) => {
      // Plain SIMD alone gets tiles of four channels.
      const tiles = new Proxy<Record<string, { rows: number; vectors: number }>>(
        {},
        { get: (_, key) => (String(key).includes("plain") ? { rows: 1, vectors: 1 } : undefined) },
      );
      await using folder = await temporaryFolder();
      const files = await packSmall({ ...options, tuning: { tiles, bands: {} } });
      expect(files.has("model.plain.weights")).toBe(!("single" in options));
      await writeFiles(folder.path, files);
      for (const [, node] of nodes) {
        const { simd, logits } = await runElsewhere<Printed>(node, folder.path, usage);
        expect(logits).toEqual((await expected(simd)).logits);
      }
      const { checks } = await verifyModel(folder.path);
      expect(checks.filter(({ isRight }) => !isRight)).toEqual([]);
    },
  );

  it("takes its files from where the options say", async () => {
    await using folder = await temporaryFolder();
    const files = await packSmall({ split: true });
    await writeFiles(folder.path, files);
    const source = `
      import { readFileSync } from "node:fs";
      import { createModel } from "./model.mjs";
      const bytes = (name) => readFileSync(new URL(name, import.meta.url));
      const variants = [
        { "model.wasm": new WebAssembly.Module(bytes("model.wasm")), "model.plain.wasm": new WebAssembly.Module(bytes("model.plain.wasm")) },
        { "model.weights": bytes("model.weights") },
        { "model.weights": Promise.resolve(new Response(bytes("model.weights"))) },
        { "model.weights": new URL("model.weights", import.meta.url) },
        { "model.weights": new URL("model.weights", import.meta.url).href },
      ];
      const logits = [];
      for (const files of variants) logits.push([...(await createModel({ files })).run(new Float32Array(3072).fill(0.5))].join());
      const refused = [];
      for (const weights of [new Uint8Array(5), new Response("", { status: 404 })])
        await createModel({ files: { "model.weights": weights } }).catch((error) => refused.push(error.message));
      console.log(JSON.stringify({ logits, refused }));`;
    const { logits, refused } = await runElsewhere<{ logits: string[]; refused: string[] }>(
      process.execPath,
      folder.path,
      source,
    );
    expect(new Set(logits).size).toBe(1);
    expect(refused).toEqual(["model.weights is too short.", "model.weights: HTTP 404"]);
  });
});

describe("files", () => {
  it("are those of modelFiles, and README and types name them", async () => {
    const names = async (options: Parameters<typeof packSmall>[0]) => [...(await packSmall(options)).keys()];
    const always = ["model.mjs", "model.d.mts", "model.d.ts", "model.certificate.json", "README.md"];
    expect(await names({})).toEqual(["model.wasm", "model.plain.wasm", ...always]);
    expect(await names({ simd: "relaxed" })).toEqual(["model.wasm", ...always]);
    expect(await names({ single: true })).toEqual(always);
    expect((await names({ split: true, page: true, threads: 2 })).sort()).toEqual(
      [...always, "demo.html", "model.plain.wasm", "model.wasm", "model.weights", "model.worker.mjs"].sort(),
    );
    for (const name of await names({ split: true, page: true, threads: 2 })) expect(modelFiles).toContain(name);
  });

  it("of equal options are equal", async () => {
    expect(await packSmall({ page: true })).toEqual(await packSmall({ page: true }));
  });

  it.each([
    ["alone", {}],
    ["for threads", { threads: 8, split: true }],
  ])("model.mjs takes less than 6 KB, %s, whatever labels there are", async (_, options) => {
    const network = { ...build("mobilenet_v2_1.0_224"), labels: Array.from({ length: 1000 }, (_, i) => `label ${i}`) };
    const files = await packModel(network, initializeWeights(network.graph, 0), {
      compiler: "depthwise 10.10.10",
      ...options,
    });
    expect(files.get("model.mjs")?.length).toBeLessThan(6 * 1024);
    // Code, runtime and class names: what is fetched beside the weights.
    const fetched = (files.get("model.mjs")?.length ?? 0) + (files.get("model.plain.wasm")?.length ?? 0);
    expect(fetched).toBeLessThan(120 * 1024);
  });

  it("store the weights once for both builds", async () => {
    const [both, one] = [await packSmall({}), await packSmall({ simd: "relaxed" })];
    expect(both.get("model.plain.wasm")?.length).toBeLessThan((one.get("model.wasm")?.length ?? 0) / 5);
  });

  it("have types for a program and for a page, strictly checked", { timeout: 60_000 }, async () => {
    await using folder = await temporaryFolder();
    const common = `
      import { createModel, type Label, type Model } from "./model.mjs";
      export async function use(): Promise<Label> {
        using model: Model = await createModel({ threads: 2, files: { "model.wasm": "/model.wasm" } });
        const [best] = model.classify({ data: new Uint8Array(12), width: 2, height: 2 }, { top: 1 });
        const logits: Float32Array = model.run(new Float32Array(3072));
        const [batch, height]: readonly [1, 32, 32, 3] = model.input;
        const isCat: boolean = best?.label === "cat";
        // @ts-expect-error there is no such class
        const isUnicorn: boolean = best?.label === "unicorn";
        // @ts-expect-error a picture is no number
        model.classify(5);
        return [logits, batch, height, isCat, isUnicorn].length > 4 ? "ship" : "cat";
      }`;
    const page = `${common}
      export const classes = (model: Model, video: HTMLVideoElement, bitmap: ImageBitmap, data: ImageData) =>
        [video, bitmap, data, new OffscreenCanvas(1, 1)].map((picture) => model.classify(picture));`;
    await writeFiles(folder.path, await packSmall({}));
    await writeFiles(
      folder.path,
      new Map([
        ["program.mts", common],
        ["page.mts", page],
      ]),
    );
    const tsc = fileURLToPath(new URL("../../../../node_modules/typescript/bin/tsc", import.meta.url));
    const check = (file: string, lib: string) =>
      execFileSync(
        process.execPath,
        [
          tsc,
          "--ignoreConfig",
          "--noEmit",
          "--strict",
          "--exactOptionalPropertyTypes",
          "--types",
          "",
          "--target",
          "es2023",
          "--module",
          "nodenext",
          "--lib",
          lib,
          join(folder.path, file),
        ],
        { encoding: "utf8", stdio: "pipe" },
      );
    const problems = (file: string, lib: string): string => {
      try {
        return check(file, lib);
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    };
    expect(problems("page.mts", "es2023,dom")).toBe("");
    expect(problems("program.mts", "es2023,dom")).toBe("");
  });
});

describe("networks that classify no single picture", () => {
  it("are refused with what they take", async () => {
    const network: Network = build("mobilenet_v2_cifar");
    const larger = { ...network, preprocessing: { ...network.preprocessing, size: [64, 64] as const } };
    const packed = packModel(larger, initializeWeights(network.graph, 0), { compiler: "depthwise test" });
    await expect(packed).rejects.toThrow(UnsupportedError);
    await expect(packed).rejects.toThrow(/takes 1x32x32x3, but its pictures are 1x64x64x3/);
  });
});
