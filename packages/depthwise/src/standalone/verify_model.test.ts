import { cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe as describeNetwork, FormatError, IoError } from "@depthwise/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packSmall, smallNetwork, type TemporaryFolder, temporaryFolder, writeFiles } from "../testing/packed_model.ts";
import { parseCertificate } from "./parse_certificate.ts";
import { type Check, verifyModel } from "./verify_model.ts";

let root: TemporaryFolder;
const at = (...parts: readonly string[]): string => join(root.path, ...parts);

beforeAll(async () => {
  root = await temporaryFolder();
  await writeFolderOf("whole", { page: true, storage: "int8" });
  await writeFolderOf("split", { split: true, threads: 2 });
  await writeFolderOf("single", { single: true, storage: "f16" });
});

afterAll(() => root[Symbol.asyncDispose]());

async function writeFolderOf(name: string, options: Parameters<typeof packSmall>[0]): Promise<void> {
  await mkdir(at(name));
  await writeFiles(at(name), await packSmall(options));
}

/** A copy of a folder, to spoil. */
async function copyOf(name: string): Promise<string> {
  const copy = at(`copy of ${name} ${Math.random()}`);
  await cp(at(name), copy, { recursive: true });
  return copy;
}

function wrong(checks: readonly Check[]): readonly string[] {
  return checks.filter(({ isRight }) => !isRight).map(({ what }) => what);
}

describe("what was not changed", () => {
  it.each([
    ["whole", 6 + 6],
    ["whole/model.wasm", 6],
    ["whole/model.certificate.json", 6 + 6],
    ["whole/model.mjs", 6 + 6],
    ["whole/demo.html", 6],
    ["split", 7 + 6],
    ["split/model.wasm", 6],
    ["split/model.plain.wasm", 6],
    ["single", 3 + 6],
    ["single/model.mjs", 6],
  ])("is verified: %s", async (path, count) => {
    const { checks } = await verifyModel(at(path));
    expect(wrong(checks)).toEqual([]);
    expect(checks.length).toBe(count);
  });

  it("is verified under another name, far from the other files", async () => {
    await mkdir(at("one"));
    await writeFiles(at("one"), await packSmall({ simd: "plain" }));
    await rename(at("one", "model.wasm"), at("renamed.wasm"));
    const { checks, certificate } = await verifyModel(at("renamed.wasm"));
    expect(wrong(checks)).toEqual([]);
    expect(certificate).toMatchObject({ model: "mobilenet_v2_cifar", compiler: "depthwise test" });
    expect(certificate.macs).toBe(describeNetwork(smallNetwork).macs);
  });
});

describe("what was changed", () => {
  /** Flips a bit in the middle of a file, or at a share of it. */
  async function spoil(path: string, share: number): Promise<void> {
    const bytes = await readFile(path);
    const index = Math.floor(bytes.length * share);
    bytes[index] = (bytes[index] as number) ^ 0x10;
    await writeFile(path, bytes);
  }

  it.each([
    ["weights in the module", "whole", "model.wasm", 0.5, /^model.wasm.*weights/],
    ["code", "whole", "model.plain.wasm", 0.5, /^model.plain.wasm.*code/],
    ["weights of their own", "split", "model.weights", 0.9, /^model.wasm.*weights/],
    ["the module's text", "whole", "model.mjs", 0.5, /^model.mjs is the file that was written/],
    ["the types", "split", "model.d.mts", 0.1, /^model.d.mts/],
  ])("is found: %s", async (_, folder, file, share, what) => {
    const copy = await copyOf(folder);
    await spoil(join(copy, file), share);
    const found = wrong((await verifyModel(copy)).checks);
    expect(
      found.some((each) => what.test(each)),
      found.join("\n"),
    ).toBe(true);
  });

  it("is found in the output when the hashes were changed with it", async () => {
    const copy = await copyOf("whole");
    const path = join(copy, "model.certificate.json");
    const certificate = JSON.parse(await readFile(path, "utf8"));
    certificate.reference.output[3] += 10 * certificate.tolerance;
    await writeFile(path, JSON.stringify(certificate));
    const found = wrong((await verifyModel(copy)).checks);
    expect(found).toEqual([
      "model.wasm (relaxed SIMD): output beside the reference",
      "model.plain.wasm (plain SIMD): output beside the reference",
    ]);
  });

  it("is an error where something is missing", async () => {
    const copy = await copyOf("split");
    await rm(join(copy, "model.weights"));
    await expect(verifyModel(copy)).rejects.toThrow(IoError);
    await expect(verifyModel(at("nowhere"))).rejects.toThrow(/there is no such file/);
    await writeFile(join(copy, "empty.wasm"), "");
    await expect(verifyModel(join(copy, "empty.wasm"))).rejects.toThrow(FormatError);
    const bare = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    await writeFile(join(copy, "bare.wasm"), bare);
    await expect(verifyModel(join(copy, "bare.wasm"))).rejects.toThrow(/carries no certificate/);
  });
});

describe("certificates", () => {
  it("are refused unless every field is what it has to be", async () => {
    const path = at("whole", "model.certificate.json");
    const text = await readFile(path, "utf8");
    expect(parseCertificate(text, path).certificate).toBe(1);
    for (const field of Object.keys(JSON.parse(text))) {
      for (const value of [null, -1, true, [], [{}], { x: -1 }, "x".repeat(2000)]) {
        const changed = JSON.stringify({ ...JSON.parse(text), [field]: value });
        expect(() => parseCertificate(changed, path), `${field}: ${JSON.stringify(value)}`).toThrow(FormatError);
      }
    }
  });

  it.each(["../secret", "/etc/passwd", "a/b"])("cannot name the file %s", async (name) => {
    const certificate = JSON.parse(await readFile(at("whole", "model.certificate.json"), "utf8"));
    const inBuild = { ...certificate, builds: [{ ...certificate.builds[0], file: name }] };
    const inFiles = { ...certificate, files: { [name]: "0".repeat(64) } };
    for (const changed of [inBuild, inFiles]) {
      expect(() => parseCertificate(JSON.stringify(changed), "x")).toThrow(FormatError);
    }
  });
});
