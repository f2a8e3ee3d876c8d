import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Compiled, FormatError, IoError, type Manifest } from "@depthwise/core";
import { readBytes, readingProblem } from "../command_line/read_bytes.ts";
import {
  type Certificate,
  type CertifiedBuild,
  certificateFile,
  certificateSection,
  largestDifference,
  outputOf,
  referenceInput,
  sha256,
} from "./certificate.ts";
import { filesInText } from "./model_text.ts";
import { codeOf, customSection, sectionsOf } from "./module_sections.ts";
import { parseCertificate } from "./parse_certificate.ts";

/** One thing that was looked at. */
export interface Check {
  readonly what: string;
  readonly isRight: boolean;
  /** What was found; for what is wrong, what was expected too. */
  readonly found: string;
}

/** What became of a verification. */
export interface Verification {
  readonly certificate: Certificate;
  readonly checks: readonly Check[];
}

/** The files to look at, by name, and where their certificate is. */
interface Shipment {
  readonly file: (name: string) => Promise<Uint8Array<ArrayBuffer>>;
  readonly certificate: Certificate;
}

/**
 * Proves a compiled model again: hashes of its files, code and weights, and its output beside the reference's.
 *
 * @param path the folder, or a file of it: the module, the certificate, a `model.mjs` or a page with everything inside
 * @throws {IoError | FormatError} if there is no model, or no certificate, to look at
 */
export async function verifyModel(path: string): Promise<Verification> {
  const { file, certificate } = await openShipment(path);
  const checks: Check[] = [];
  for (const [name, hash] of Object.entries(certificate.files ?? {})) {
    checks.push(compareHash(`${name} is the file that was written`, hash, sha256(await file(name))));
  }
  const input = referenceInput(certificate.reference);
  for (const build of certificate.builds) checks.push(...(await checkBuild(build, certificate, file, input)));
  return { certificate, checks };
}

async function checkBuild(
  build: CertifiedBuild,
  certificate: Certificate,
  file: Shipment["file"],
  input: Float32Array,
): Promise<readonly Check[]> {
  const bytes = await file(build.file);
  const weights = await weightsOf(build, certificate, file);
  const name = `${build.file} (${build.simd} SIMD)`;
  const checks = [
    compareHash(`${name}: code`, build.codeSha256, sha256(...codeOf(bytes, build.file))),
    compareHash(`${name}: weights`, build.weightsSha256, sha256(weights)),
  ];
  if (checks.some(({ isRight }) => !isRight)) return checks; // what was changed is not run
  const what = `${name}: output beside the reference`;
  if (!WebAssembly.validate(bytes)) {
    const found = build.simd === "relaxed" ? "this Node has no relaxed SIMD: not run" : "the engine refuses the module";
    return [...checks, { what, isRight: build.simd === "relaxed" && hasPlain(certificate), found }];
  }
  const compiled: Compiled = { bytes, manifest: manifestOf(build, certificate), weights };
  const difference = largestDifference(await outputOf(compiled, input), certificate.reference.output);
  const isRight = difference <= certificate.tolerance;
  const found = `differs by ${difference.toPrecision(2)}, ${isRight ? "within" : "more than"} ${certificate.tolerance.toPrecision(2)}`;
  return [...checks, { what, isRight, found }];
}

function hasPlain({ builds }: Certificate): boolean {
  return builds.some(({ simd }) => simd === "plain");
}

function compareHash(what: string, expected: string, actual: string): Check {
  if (actual === expected) return { what, isRight: true, found: `sha256 ${actual.slice(0, 16)}` };
  return { what, isRight: false, found: `sha256 ${actual.slice(0, 16)}, expected ${expected.slice(0, 16)}` };
}

/** The stored weights of a build: from where it says, or its data section. */
async function weightsOf(
  { file: name, weights: place }: CertifiedBuild,
  { weights: { bytes } }: Certificate,
  file: Shipment["file"],
): Promise<Uint8Array<ArrayBuffer>> {
  if (place) {
    const { at = 0, bytes: length } = place;
    return (await file(place.file)).slice(at, at + length);
  }
  const data = sectionsOf(await file(name), name).find(({ id }) => id === 11)?.content ?? new Uint8Array();
  return data.slice(Math.max(0, data.length - bytes));
}

/** The manifest as far as running takes it. */
function manifestOf(build: CertifiedBuild, certificate: Certificate): Manifest {
  const { model, memory, weights, macs, threads, reference } = certificate;
  const port = (name: string, shape: readonly number[], offset: number) => ({
    name,
    shape,
    offset,
    elements: shape.reduce((a, b) => a * b, 1),
  });
  return {
    name: model,
    inputs: [port("input", reference.input, build.input)],
    outputs: [port("output", [1, reference.output.length], build.output)],
    simd: build.simd,
    wide: false,
    threads,
    pages: build.pages,
    weightBytes: memory.weights,
    stored: {
      type: weights.type,
      split: build.weights !== undefined,
      offset: build.weights?.offset ?? 0,
      bytes: weights.bytes,
    },
    arenaBytes: memory.activations,
    arenaLowerBound: memory.activations,
    macs,
    steps: [],
  };
}

async function openShipment(path: string): Promise<Shipment> {
  if (await isFolder(path)) return openFolder(path);
  if (path.endsWith(".json")) return openFolder(dirname(path), basename(path));
  const bytes = new Uint8Array(await readBytes(path));
  if (/\.(mjs|js|html)$/.test(path)) {
    const inside = filesInText(new TextDecoder().decode(bytes));
    if (inside.size > 0) return openInside(path, inside);
    if (path.endsWith(".html")) throw new FormatError(`${path}: there is no model inside.`, { file: path });
    return openFolder(dirname(path));
  }
  const folder = readerOf(dirname(path));
  const certificate = certificateIn(bytes, path);
  // The module may have another name than it was given; the others are asked for by theirs.
  const own = certificate.builds.length === 1 ? (certificate.builds[0]?.file as string) : basename(path);
  return { certificate, file: async (name) => (name === own ? bytes : folder(name)) };
}

async function openFolder(folder: string, name: string = certificateFile): Promise<Shipment> {
  const path = join(folder, name);
  const certificate = parseCertificate(new TextDecoder().decode(await readBytes(path)), path);
  const file = readerOf(folder);
  const isSingle =
    certificate.files !== undefined && !certificate.builds.some((build) => build.file in (certificate.files ?? {}));
  if (!isSingle) return { file, certificate };
  const inside = openInside(join(folder, "model.mjs"), filesInText(new TextDecoder().decode(await file("model.mjs"))));
  return { certificate, file: (each) => (each in (certificate.files ?? {}) ? file(each) : inside.file(each)) };
}

function openInside(path: string, inside: ReadonlyMap<string, Uint8Array>): Shipment {
  const file: Shipment["file"] = async (name) => {
    const bytes = inside.get(name);
    if (bytes === undefined) throw new FormatError(`${path}: ${name} is not inside.`, { file: path });
    return new Uint8Array(bytes);
  };
  return {
    file,
    certificate: certificateIn(inside.get("model.wasm") ?? new Uint8Array(), `${path}, model.wasm inside`),
  };
}

function certificateIn(module: Uint8Array, file: string): Certificate {
  const section = customSection(module, certificateSection, file);
  if (section === undefined) throw new FormatError(`${file}: it carries no certificate.`, { file });
  return parseCertificate(new TextDecoder().decode(section), file);
}

/** Files of a folder, each read once. */
function readerOf(folder: string): Shipment["file"] {
  const read = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  return (name) => {
    const known = read.get(name) ?? readBytes(join(folder, name)).then((bytes) => new Uint8Array(bytes));
    read.set(name, known);
    return known;
  };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw new IoError(`${path}: ${readingProblem(cause)}.`, { file: path, cause });
  }
}
