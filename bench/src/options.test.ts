import { describe, expect, it } from "vitest";
import { defaultModels, headlineModels, parseOptions } from "./options.ts";
import { sites } from "./start/sites.ts";

describe("parseOptions", () => {
  it("measures two networks on three peers unless told otherwise", () => {
    const options = parseOptions([]);
    expect(options?.models).toEqual(defaultModels);
    expect(options?.peers.map(({ name }) => name)).toEqual(["depthwise", "onnxruntime-web", "onnxruntime-node"]);
    expect(options).toMatchObject({ threads: 1, rounds: 15, json: false });
  });

  it("knows a network of each family, and peers under wide vectors", () => {
    expect(parseOptions(["headline", "squeezenet_1.1"])?.models).toEqual([...headlineModels, "squeezenet_1.1"]);
    expect(parseOptions(["--peers", "depthwise-plain,litert-wide"])?.peers).toMatchObject([
      { name: "depthwise-plain", wide: false },
      { name: "litert-wide", wide: true },
    ]);
  });

  it("knows peers on threads of their own, and twice at once", () => {
    const peers = parseOptions(["--peers", "depthwise,depthwise:2,litert-wide:2,depthwise-wide-twice"])?.peers;
    expect(peers?.map(({ wide, threads, twice }) => [wide, threads, twice])).toEqual([
      [false, undefined, false],
      [false, 2, false],
      [true, 2, false],
      [true, undefined, true],
    ]);
    for (const name of ["depthwise:0", "depthwise:two", "depthwise:2-wide", "depthwise-twice-twice"])
      expect(() => parseOptions(["--peers", name])).toThrow(/no peer/);
    expect(() => parseOptions(["--chromium", "--peers", "depthwise:2"])).toThrow(/not run in a page/);
  });

  it("measures limits in Node alone, if asked to", () => {
    expect(parseOptions(["xception"])?.limits).toBe(false);
    expect(parseOptions(["xception", "--limits"])?.limits).toBe(true);
    expect(() => parseOptions(["--chromium", "--limits"])).toThrow(/--limits measures in Node/);
  });

  it("measures in a page, on the peers that run there", () => {
    const options = parseOptions(["--chromium"]);
    expect(options?.chromium).toBe(true);
    expect(options?.peers.map(({ name }) => name)).toEqual(["depthwise", "litert", "onnxruntime-web", "tfjs"]);
    expect(() => parseOptions(["--chromium", "--peers", "onnxruntime-node"])).toThrow(
      /"onnxruntime-node".*not run in a/,
    );
    expect(() => parseOptions(["--chromium", "--peers", "litert-wide"])).toThrow(
      /"litert-wide" does not run in a page/,
    );
    expect(() => parseOptions(["--chromium", "--threads", "2"])).toThrow(/one thread, received --threads 2/);
  });

  it("measures starts of pages alone", () => {
    expect(parseOptions(["--start"])).toMatchObject({ peers: [], sites: Object.keys(sites), rounds: 7 });
    expect(parseOptions(["--start", "--peers", "tfjs,floor"])?.sites).toEqual(["tfjs", "floor"]);
    expect(() => parseOptions(["--start", "--peers", "depthwise-splt"])).toThrow(/depthwise-splt.*depthwise-split/);
    expect(() => parseOptions(["--start", "--chromium"])).toThrow(/Either --chromium or --start/);
    expect(() => parseOptions(["--start", "--sizes"])).toThrow(/--sizes/);
  });

  it("asks for help by giving nothing", () => {
    expect(parseOptions(["--help"])).toBeUndefined();
  });

  it("refuses what it does not know, with what is near", () => {
    expect(() => parseOptions(["mobilnet_v2_1.0_224"])).toThrow(
      /no network "mobilnet_v2_1.0_224".*mobilenet_v2_1.0_224/,
    );
    expect(() => parseOptions(["--peers", "liter"])).toThrow(/no peer "liter".*litert/);
    expect(() => parseOptions(["--rounds", "0"])).toThrow(/at least 1 for --rounds, received "0"/);
    expect(() => parseOptions(["--round", "3"])).toThrow(/--round/);
  });
});
