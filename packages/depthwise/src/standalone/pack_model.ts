import {
  type Compiled,
  compile,
  type Network,
  type Tuning,
  UnsupportedError,
  type Weights,
  type WeightType,
} from "@depthwise/core";
import {
  type Certificate,
  certificateFile,
  certificateSection,
  certifiedBuilds,
  certify,
  sha256,
} from "./certificate.ts";
import { moduleText, singleModuleText, workerFile } from "./model_text.ts";
import { sharedFlagOffset, withCustomSection } from "./module_sections.ts";
import { demoPageText } from "./page_text.ts";
import { readmeText } from "./readme_text.ts";
import { type Build, labelsSection, type Setup, type WeightsPlace } from "./runtime/setup.ts";
import { workerText } from "./runtime_text.ts";
import { typesText } from "./types_text.ts";

/** Options of {@link packModel}. */
export interface PackOptions {
  /** Default `f32`. */
  readonly storage?: WeightType;
  /** Weights in a file of their own. Default false. */
  readonly split?: boolean;
  /** Everything in `model.mjs`. Default false. */
  readonly single?: boolean;
  /** A page to try it in, with everything inside, beside the rest. Default false. */
  readonly page?: boolean;
  /** Most threads. Default 1. */
  readonly threads?: number;
  /** Builds of the code: the page takes the first that its engine runs. Default `both`. */
  readonly simd?: "relaxed" | "plain" | "both";
  /** Choices that were measured on the machine that it is for. Default: the compiler's model. */
  readonly tuning?: Tuning;
  /** `depthwise 0.1.0`, for the certificate. */
  readonly compiler: string;
  /** Hears how far the certificate's reference is. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Every file that a model's folder may have. A new compilation takes away those of an earlier one that it does not write. */
export const modelFiles: readonly string[] = [
  "model.wasm",
  "model.plain.wasm",
  "model.weights",
  "model.plain.weights",
  "model.mjs",
  workerFile,
  "model.d.mts",
  "model.d.ts",
  "demo.html",
  "README.md",
  certificateFile,
];

/**
 * Compiles a network to files that need nothing else to run.
 *
 * @returns what is in each file, by name
 * @throws {UnsupportedError} for a network that does not take one picture at a time, or another picture than its preprocessing makes
 */
export async function packModel(
  network: Network,
  weights: Weights,
  options: PackOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const {
    split = false,
    single = false,
    page = false,
    threads = 1,
    simd = "both",
    storage = "f32",
    compiler,
    tuning,
  } = options;
  const input = checkInput(network);
  const compiled = (["relaxed", "plain"] as const)
    .filter((each) => simd === "both" || simd === each)
    .map((each) => compile(network, { weights, storage, threads, simd: each, tuning, split: true }));
  const { simd: firstSimd } = (compiled[0] as Compiled).manifest;
  const whole = split || single ? undefined : compile(network, { weights, storage, threads, simd: firstSimd, tuning });
  const setup = setupOf(network, input, compiled, whole);
  const shipped = whole ? [whole, ...compiled.slice(1)] : compiled;
  const { onProgress } = options;
  const certificate = await certify({
    network,
    weights,
    setup,
    compiled,
    modules: shipped.map(({ bytes }) => bytes),
    compiler,
    ...(onProgress ? { onProgress } : {}),
  });

  const code = codeFiles(shipped, compiled, setup, sectionsOf(network, certificate));
  const files = new Map<string, Uint8Array>(single ? [] : code);
  const worker = threads > 1 && !single;
  const text = single ? singleModuleText(setup, code, compiler) : moduleText(setup, [...code.keys()], compiler);
  files.set("model.mjs", utf8(text));
  if (worker) files.set(workerFile, utf8(workerText));
  files.set("model.d.mts", utf8(typesText(network.name, setup.input, network.labels)));
  files.set("model.d.ts", utf8('export * from "./model.mjs";\n'));
  if (page) {
    files.set("demo.html", utf8(pageOf(network, compiled, certificate)));
  }
  const hashes = Object.fromEntries([...files].map(([file, bytes]) => [file, sha256(bytes)]));
  files.set(certificateFile, utf8(`${JSON.stringify({ ...certificate, files: hashes }, null, 1)}\n`));
  const sizes = new Map([...files].map(([file, bytes]) => [file, bytes.length]));
  const readme = readmeText({ certificate, files: sizes, classes: network.classes, isSingle: single });
  return files.set("README.md", utf8(readme));
}

/** The page has its files inside, so its builds are laid out otherwise than the folder's, and certified as they are. */
function pageOf(network: Network, compiled: readonly Compiled[], certificate: Certificate): string {
  const setup = { ...setupOf(network, certificate.reference.input, compiled, undefined), threads: 1 };
  const modules = compiled.map(({ bytes }) => bytes);
  const certified = { ...certificate, builds: certifiedBuilds(setup, compiled, modules) };
  return demoPageText(setup, codeFiles(compiled, compiled, setup, sectionsOf(network, certified)));
}

function sectionsOf({ labels }: Network, certificate: Certificate): Readonly<Record<string, unknown>> {
  return { [labelsSection]: labels, [certificateSection]: certificate };
}

/** @throws {UnsupportedError} unless pictures fit */
function checkInput({ name, graph, preprocessing }: Network): readonly number[] {
  const node = graph.nodes.find(({ operation }) => operation.op === "input");
  const shape = node?.shape ?? [];
  const [height, width] = preprocessing.size;
  const expected = [1, height, width, preprocessing.channelOrder === "grey" ? 1 : 3];
  if (shape.join() === expected.join()) return expected;
  throw new UnsupportedError(
    `${name} takes ${shape.join("x")}, but its pictures are ${expected.join("x")}, [N, H, W, C]: compile makes models that classify one picture at a time.`,
    { hint: "The library's compile() takes any graph." },
  );
}

/** The builds as the runtime has to know them. `whole` holds the weights inside; without it they are in files of their own. */
function setupOf(
  network: Network,
  input: readonly number[],
  compiled: readonly Compiled[],
  whole: Compiled | undefined,
): Setup {
  const builds = compiled.map((each, index): Build => {
    const { manifest } = each;
    const file = index === 0 ? "model.wasm" : "model.plain.wasm";
    const weights = weightsPlace(compiled, index, whole);
    return {
      file,
      pages: manifest.pages,
      input: addressOf(manifest.inputs),
      output: addressOf(manifest.outputs),
      ...(manifest.threads > 1
        ? { sharedAt: sharedFlagOffset(index === 0 ? (whole ?? each).bytes : each.bytes, file) }
        : {}),
      ...(weights === undefined ? {} : { weights }),
    };
  });
  return {
    name: network.name,
    input,
    classes: network.classes,
    threads: (compiled[0] as Compiled).manifest.threads,
    ...Object.fromEntries(compiled.map(({ manifest }, index) => [manifest.simd, builds[index]])),
    preprocessing: network.preprocessing,
  };
}

/**
 * Where a build finds its weights. The second build usually has the same ones as the first, so nothing is stored twice: it reads them
 * out of the first one's module, or both read the same file.
 */
function weightsPlace(
  compiled: readonly Compiled[],
  index: number,
  whole: Compiled | undefined,
): WeightsPlace | undefined {
  if (whole && index === 0) return undefined;
  const { manifest, weights } = compiled[index] as Compiled;
  const { offset, bytes } = manifest.stored;
  const isShared = index === 0 || Buffer.compare(weights as Uint8Array, compiled[0]?.weights as Uint8Array) === 0;
  if (!isShared) return { file: "model.plain.weights", bytes, offset };
  // The data is the last thing in a module.
  if (whole) return { file: "model.wasm", at: whole.bytes.length - bytes, bytes, offset };
  return { file: "model.weights", bytes, offset };
}

function addressOf(ports: Compiled["manifest"]["inputs"]): number {
  return (ports[0] as (typeof ports)[number]).offset;
}

/** Modules with their custom sections, and the weights that are not in them. */
function codeFiles(
  shipped: readonly Compiled[],
  compiled: readonly Compiled[],
  setup: Setup,
  sections: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, Uint8Array> {
  const contents = Object.entries(sections).filter(([, content]) => content !== undefined);
  const files = new Map<string, Uint8Array>();
  shipped.forEach(({ bytes, manifest }, index) => {
    const { file, weights } = setup[manifest.simd] as Build;
    files.set(
      file,
      contents.reduce<Uint8Array>(
        (all, [name, content]) => withCustomSection(all, name, utf8(JSON.stringify(content))),
        bytes,
      ),
    );
    if (weights?.file.endsWith(".weights")) files.set(weights.file, compiled[index]?.weights as Uint8Array);
  });
  return files;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
