import { build, compile, FormatError } from "@depthwise/core";
import { describe, expect, it } from "vitest";
import { codeOf, customSection, sectionsOf, sharedFlagOffset, withCustomSection } from "./module_sections.ts";

const [alone, shared] = [1, 2].map((threads) => compile(build("mobilenet_v2_cifar"), { threads }).bytes) as [
  Uint8Array<ArrayBuffer>,
  Uint8Array<ArrayBuffer>,
];

describe("custom sections", () => {
  it.each([0, 1, 127, 128, 20_000])("of %i bytes are where the engine finds them too", (length) => {
    const content = Uint8Array.from({ length }, (_, i) => i);
    const name = "depthwise.näme";
    const module = withCustomSection(withCustomSection(alone, "other", new Uint8Array(3)), name, content);
    const [section] = WebAssembly.Module.customSections(new WebAssembly.Module(module), name);
    expect(new Uint8Array(section as ArrayBuffer)).toEqual(content);
    expect(customSection(module, name, "x.wasm")).toEqual(content);
    expect(customSection(module, "none", "x.wasm")).toBeUndefined();
    expect(codeOf(module, "x.wasm")).toEqual(codeOf(alone, "x.wasm"));
  });
});

describe("sections", () => {
  it("lie one after another up to the module's end", () => {
    const sections = sectionsOf(alone, "x.wasm");
    expect(sections.map(({ id }) => id)).toEqual([1, 2, 3, 7, 12, 10, 11]);
    const last = sections.at(-1);
    expect((last?.at ?? 0) + (last?.content.length ?? 0)).toBe(alone.length);
  });

  it("of what is no module, or the beginning of one, are an error", () => {
    expect(() => sectionsOf(new Uint8Array(100), "x.wasm")).toThrow(FormatError);
    const small = withCustomSection(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0), "name", new Uint8Array(5));
    for (let length = 9; length < small.length; length++) {
      expect(() => sectionsOf(small.subarray(0, length), "x.wasm"), `${length} bytes`).toThrow(FormatError);
    }
  });
});

describe("the flag of shared memory", () => {
  it("turned off, makes a module for one thread that engines take without shared memory", async () => {
    const copy = shared.slice();
    const at = sharedFlagOffset(shared, "x.wasm");
    expect(copy[at]).toBe(3);
    const pages = compile(build("mobilenet_v2_cifar"), { threads: 2 }).manifest.pages;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    await expect(WebAssembly.instantiate(copy, { env: { memory } })).rejects.toThrow(WebAssembly.LinkError);
    copy[at] = 1;
    await expect(WebAssembly.instantiate(copy, { env: { memory } })).resolves.toBeDefined();
  });

  it("is not looked for where memory is not shared", () => {
    expect(() => sharedFlagOffset(alone, "x.wasm")).toThrow(FormatError);
  });
});
