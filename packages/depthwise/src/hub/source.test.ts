import { build, OptionError } from "@depthwise/core";
import { familyOf, listVariants } from "@depthwise/core/networks";
import { describe, expect, test } from "vitest";
import { cacheFolder } from "./cache_folder.ts";
import { knownWeights, statedSha256 } from "./known_weights.ts";
import { parseSource } from "./source.ts";

describe("parseSource", () => {
  test("knows the hub's addresses", () => {
    const { url, cachePath } = parseSource("hf:timm/mobilenetv2_100.ra_in1k", "https://huggingface.co");
    expect(url.href).toBe("https://huggingface.co/timm/mobilenetv2_100.ra_in1k/resolve/main/model.safetensors");
    expect(cachePath).toEqual(["huggingface.co", "timm", "mobilenetv2_100.ra_in1k", "model.safetensors"]);
    expect(parseSource("hf:a/b/sub/x.onnx", "https://mirror.test/").url.href).toBe(
      "https://mirror.test/a/b/resolve/main/sub/x.onnx",
    );
  });

  test("keeps files of an address apart, and in the cache", () => {
    const path = (text: string): string => parseSource(text).cachePath.join("/");
    expect(path("https://x.test/a/b.pth")).toBe("x.test/a/b.pth");
    expect(path("https://x.test/a/b.pth?v=1")).not.toBe(path("https://x.test/a/b.pth?v=2"));
    expect(path("https://x.test/%2e%2e/%2Fetc%2Fpasswd")).not.toMatch(/\.\.|\/\//);
    expect(path("https://x.test/")).toBe("x.test/download");
  });

  test.each(["hf:timm", "hf:timm/../x", "hf:/x/y", "mobilenet", "ftp://x.test/y", "https://me:secret@x.test/y"])(
    "refuses %s",
    (text) => {
      expect(() => parseSource(text)).toThrow(OptionError);
    },
  );
});

test("the cache folder is the one that is named, else XDG's, relative paths ignored", () => {
  expect(cacheFolder({ DEPTHWISE_CACHE: "here", XDG_CACHE_HOME: "/somewhere" })).toBe("here");
  expect(cacheFolder({ XDG_CACHE_HOME: "/somewhere" })).toBe("/somewhere/depthwise");
  expect(cacheFolder({ XDG_CACHE_HOME: "somewhere" })).toMatch(/[/\\]\.cache[/\\]depthwise$/);
});

test("known weights are for networks that know their names, under addresses that are taken", () => {
  const names = new Set(listVariants().map(({ name }) => name));
  for (const { network, family, source, naming } of knownWeights) {
    expect(names).toContain(network);
    expect(familyOf(network).name).toBe(family);
    expect(build(network).namings.map(({ name }) => name)).toContain(naming);
    expect(parseSource(source).url.protocol).toBe("https:");
  }
});

test("PyTorch's file names say the beginning of their checksum", () => {
  expect(statedSha256(new URL("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth"))).toBe("b8a52dc0");
  expect(statedSha256(new URL("https://x.test/models/squeezenet1_1-b8a52dc0.pth"))).toBeUndefined();
});
