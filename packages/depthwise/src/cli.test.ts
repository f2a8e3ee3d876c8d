import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  build,
  initializeWeights,
  type Plan,
  readSafetensors,
  type Tensor,
  tensor,
  writeSafetensors,
  writeWeights,
} from "@depthwise/core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { depthwise, type Ended, json } from "./testing/run_cli.ts";

/** A network of a few milliseconds. */
const small = ["mobilenet_v2", "--width", "0.25", "--resolution", "32", "--classes", "4"];
const smallNetwork = build("mobilenet_v2", { width: 0.25, resolution: 32, classes: 4 });
const verbs = ["list", "describe", "run", "classify", "bench", "convert", "pull", "train", "evaluate"];

let folder: string;
const inFolder = (...names: readonly string[]): string => join(folder, ...names);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise cli "));
  const data = Float32Array.from({ length: 32 * 32 * 3 }, (_, i) => Math.sin(i));
  await writeFile(inFolder("x.safetensors"), writeSafetensors(new Map([["input", tensor([1, 32, 32, 3], data)]])));
  const labelled = { ...smallNetwork, labels: ["ant", "bee", "cat", "dog"] };
  await writeFile(inFolder("model.safetensors"), writeWeights(initializeWeights(smallNetwork.graph, 7), labelled));
  const red = sharp({ create: { width: 40, height: 30, channels: 3, background: "#c81e1e" } });
  await red.png().toFile(inFolder("red.png"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly file?: string; readonly hint?: string };
}

function expectFailure(ended: Ended, code: 1 | 2, message: RegExp): void {
  expect([ended.code, ended.stderr]).toEqual([code, expect.stringMatching(message)]);
  expect(ended.stderr).toMatch(/^depthwise: /m);
  expect(ended.stderr).not.toMatch(/^\s+at /m);
}

describe("help", () => {
  test.each(verbs)(
    "of %s: a sentence, usage, options, three examples, exit codes; nothing of the library is loaded",
    async (verb) => {
      const hooks = `import { registerHooks } from "node:module";
      registerHooks({ resolve(name, context, next) {
        if (name.startsWith("@depthwise/") || name === "sharp") throw new Error("loaded " + name);
        return next(name, context);
      } });`;
      const node = [`--import=data:text/javascript,${encodeURIComponent(hooks)}`];
      const { code, stdout, stderr } = await depthwise([verb, "--help"], { node });
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(new RegExp(`^Usage: depthwise ${verb} `));
      expect(stdout).toMatch(/^ {2}--json /m);
      expect(stdout.match(/^ {2}# .+\n {2}depthwise .+$/gm)).toHaveLength(3);
      expect(stdout).toMatch(/^Exit codes: 0 done, 1 .+, 2 wrong usage, 130 interrupted\.$/m);
    },
  );

  test("of a verb with a network's name lists the network's options", async () => {
    const { code, stdout } = await depthwise(["describe", "squeezenet", "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/--squeeze-ratio X +squeeze over expand filters/);
    expect(stdout).toMatch(/--layout 1\.0\|1\.1 /);
  });

  test("without a verb goes to stderr, and is wrong usage", async () => {
    const { code, stdout, stderr } = await depthwise([]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^Usage: depthwise VERB/);
    expect((await depthwise(["--help"])).code).toBe(0);
  });

  test("--version is the package's", async () => {
    const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect((await depthwise(["--version"])).stdout).toBe(`${version}\n`);
  });
});

describe("wrong usage", () => {
  test.each([
    [["benhc", "squeezenet_1.1"], /Unknown command 'benhc'[\s\S]*Did you mean bench\?/],
    [["list", "--famly", "igcv3"], /Unknown option '--famly'[\s\S]*Did you mean --family\?/],
    [["list", "--family", "squeeznet"], /no network "squeeznet"[\s\S]*Did you mean "squeezenet"\?/],
    [["describe"], /MODEL is missing/],
    [
      ["describe", "mobilnet_v2_1.0_224"],
      /no network "mobilnet_v2_1.0_224"[\s\S]*Did you mean "mobilenet_v2_1.0_224"\?/,
    ],
    [["describe", "mobilenet_v2", "--widht", "1"], /Unknown option --widht[\s\S]*Did you mean --width\?/],
    [["describe", "mobilenet_v2", "--smallStem"], /Did you mean --small-stem\?/],
    [["describe", "mobilenet_v2", "--width"], /--width needs a value/],
    [["describe", "mobilenet_v2", "--width", "wide"], /option "width" must be a number above 0, received "wide"/],
    [["describe", "mobilenet_v2", "--width", "1", "--width", "2"], /--width stands twice/],
    [["describe", "mobilenet_v2", "squeezenet", "--connections"], /--connections is for one MODEL/],
    [["describe", "squeezenet_1.1", "--block", "fire2"], /there is no --svg FILE/],
    [["describe", "squeezenet_1.1", "--block", "fire22", "--svg", "-"], /no block "fire22"/],
    [["describe", "squeezenet_1.1", "--replace", "dense=thin"], /Unknown replacement "dense=thin"/],
    [["describe", "--width", "1", "mobilenet_v2"], /Options of a network stand after its name/],
    [["describe", "squeezenet", "--resolution", "8"], /an input of 8x8 is too small/],
    [["run", "squeezenet_1.1", "--input", "x"], /--output FILE is missing/],
    [["run", "squeezenet_1.1", "--threads", "0", "--input", "x", "--output", "y"], /whole number from 1 up/],
    [["classify", "squeezenet_1.1"], /no picture was named/],
    [["classify", "squeezenet_1.1", "--topp", "3", "x.png"], /Did you mean --top\?/],
    [["classify", "squeezenet_1.1", "--preprocessing", "tensorfow", "x.png"], /Did you mean "tensorflow"\?/],
    [["bench"], /MODEL is missing/],
    [["bench", "squeezenet_1.1", "--runs", "many"], /whole number from 1 up/],
    [["bench", "squeezenet_1.1", "squeezenet_1.0", "--weights", "x"], /--weights is for one MODEL/],
  ] as const)("depthwise %j ends with 2", async (args, message) => {
    const ended = await depthwise(args.map((word) => (word === "x.png" ? inFolder("red.png") : word)));
    expectFailure(ended, 2, message);
    expect(ended.stdout).toBe("");
    expect(ended.stderr).toMatch(/--help\n$/);
  });

  test("with --json is a document on stdout too", async () => {
    const ended = await depthwise(["describe", "mobilnet_v2_1.0_224", "--json"]);
    expect(ended.code).toBe(2);
    expect(json<ErrorDocument>(ended)).toEqual({
      error: {
        code: "option",
        message: 'There is no network "mobilnet_v2_1.0_224".',
        hint: 'Did you mean "mobilenet_v2_1.0_224"?',
      },
    });
  });

  test("shows where it happened only under DEBUG=depthwise", async () => {
    const { code, stderr } = await depthwise(["describe", "nonsense"], { env: { DEBUG: "depthwise" } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^\s+at /m);
  });
});

describe("list", () => {
  interface Entry {
    readonly name: string;
    readonly family: string;
    readonly input: readonly number[];
    readonly classes: number;
    readonly parameters: number;
    readonly macs: number;
    readonly paper: {
      readonly parameters?: number;
      readonly macs?: number;
      readonly top1?: number;
      readonly source: string;
    };
    readonly reconstructed?: string;
  }

  test("--json has every variant of the ten families, with exact and published figures", async () => {
    const entries = json<readonly Entry[]>(await depthwise(["list", "--json"]));
    expect(new Set(entries.map(({ family }) => family)).size).toBe(10);
    expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
    expect(entries.every(({ paper }) => paper.source.length > 0)).toBe(true);
    // Counts of torchvision's networks; the figures beside them are the slim repository's.
    expect(entries.find(({ name }) => name === "mobilenet_v2_1.0_224")).toMatchObject({
      family: "mobilenet_v2",
      input: [224, 224, 3],
      classes: 1000,
      parameters: 3_504_872,
      macs: 300_774_272,
      paper: { parameters: 3.47e6, macs: 300e6, top1: 71.8 },
    });
    expect(entries.some(({ reconstructed }) => reconstructed !== undefined)).toBe(true);
  });

  test("for people says why figures differ, and which options a family takes", async () => {
    const { code, stdout } = await depthwise(["list", "--family", "squeezenet"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/squeezenet_1\.0 +227x227x3 +1000 +1\.25 M +1\.25 M +833 M +860 M +57\.5 % +\[1\]\[2\]/);
    expect(stdout).toMatch(/\[1\] paper's figures differ: 860 M are half of the published 1\.72 GFLOPS/);
    expect(stdout).toMatch(/reconstructed: /);
    expect(stdout).toMatch(/--squeeze-ratio X /);
    expect(stdout).not.toContain("\x1b");
  });

  test("into a pipe that closes early is no failure", async () => {
    const ended = await depthwise(["list"], { onStart: (child) => child.stdout?.destroy() });
    expect([ended.code, ended.stderr.replace(/^building.*\n/, "")]).toEqual([0, ""]);
  });
});

describe("describe", () => {
  interface Document {
    readonly [figure: string]: unknown;
    readonly layers: readonly { readonly name: string; readonly parameters: number; readonly macs: number }[];
  }

  test("--json sums up its layers, for a family with options", async () => {
    const args = ["describe", "mobilenet_v2", "--width", "0.5", "--resolution=160", "--classes", "10", "--json"];
    const document = json<Document>(await depthwise(args));
    expect(document).toMatchObject({ name: "mobilenet_v2", family: "mobilenet_v2", input: [160, 160, 3], classes: 10 });
    for (const figure of ["parameters", "macs"] as const) {
      expect(document.layers.reduce((sum, layer) => sum + layer[figure], 0)).toBe(document[figure]);
    }
    const stem = document.layers.find(({ name }) => name === "stem");
    // 3x3 over 3 channels to 16, at 80x80.
    expect(stem).toMatchObject({
      op: "convolution",
      kernel: [3, 3],
      stride: [2, 2],
      groups: 1,
      input: [1, 160, 160, 3],
      output: [1, 80, 80, 16],
      parameters: 432,
      macs: 2_764_800,
    });
    const pointwise = document.layers.find(({ name }) => name === "final");
    expect(pointwise).toHaveProperty("lowerBoundBytes");
    for (const key of ["elementwise", "memoryAccessBytes", "peakActivationBytes"])
      expect(document[key]).toBeGreaterThan(0);
  });

  test("takes oblong inputs, choices and switches", async () => {
    const oblong = json<Document>(
      await depthwise(["describe", "squeezenet", "--layout", "1.0", "--resolution", "192x256", "--json"]),
    );
    expect(oblong.input).toEqual([192, 256, 3]);
    const [small, large] = await Promise.all(
      ["--small-stem", "--no-small-stem"].map(async (flag) =>
        json<Document>(await depthwise(["describe", "mobilenet_v2", "--resolution", "64", flag, "--json"])),
      ),
    );
    expect(small?.macs).toBeGreaterThan((large?.macs as number) * 2);
  });

  test("for people prints a line a layer and the sums", async () => {
    const { stdout } = await depthwise(["describe", "mobilenet_v2_1.0_224"]);
    expect(stdout).toMatch(/^stage2\/unit1\/depthwise +depthwise 3x3 \/2 +56x56x96 +864 +2\.71 M +0\.9 % /m);
    expect(stdout).toMatch(/^MACs +301 M +300774272 multiply-accumulates$/m);
  });

  test("several networks stand side by side", async () => {
    const models = ["squeezenet_1.1", "mobilenet_v2", "--width", "0.5"];
    const documents = json<readonly Document[]>(await depthwise(["describe", ...models, "--json"]));
    expect(documents.map(({ name }) => name)).toEqual(["squeezenet_1.1", "mobilenet_v2"]);
    const { stdout } = await depthwise(["describe", ...models]);
    expect(stdout).toMatch(/^ +squeezenet_1\.1 +mobilenet_v2 --width 0\.5$/m);
    expect(stdout).toMatch(/^parameters +1\.24 M +1\.97 M$/m);
  });

  test("--connections tells IGCV2's condition for every block", async () => {
    const model = ["igcv2_c64_cifar", "--connections"];
    const { connections } = json<{
      connections: readonly { readonly complementary: boolean; readonly block: string }[];
    }>(await depthwise(["describe", ...model, "--json"]));
    expect(connections.find(({ block }) => block === "stage1/unit1/block1")).toMatchObject({
      inputs: 64,
      outputs: 64,
      minPaths: 1,
      maxPaths: 1,
      complementary: true,
    });
    const { stdout } = await depthwise(["describe", ...model]);
    expect(stdout).toMatch(/^stage1\/unit1\/block1 +64 to 64 +1 +complementary: exactly one path/m);
    expect(stdout).toMatch(/ of the pairs have no path$/m);
  });

  test("--replace prices MobileNet with standard convolutions, as its paper's table 4 does", async () => {
    const args = ["describe", "mobilenet_v1_1.0_224", "--replace", "depthwise=standard"];
    const { macs, after } = json<{ macs: number; after: { macs: number; parameters: number } }>(
      await depthwise([...args, "--json"]),
    );
    // Table 4 of arXiv:1704.04861: 569 against 4866 million multiply-adds, 29.3 million parameters. We count 4867.3, 0.03 % more.
    expect(Math.round(macs / 1e6)).toBe(569);
    expect(Math.abs(after.macs / 4866e6 - 1)).toBeLessThan(5e-4);
    expect(Number((after.parameters / 1e6).toFixed(1))).toBe(29.3);
    expect((await depthwise(args)).stdout).toMatch(/^MACs +569 M +4\.87 G$/m);
  });

  test("--plan says what runs in bands, and how many bytes that saves", async () => {
    const args = ["describe", "mobilenet_v2_1.0_224", "--plan"];
    const { plan } = json<{ plan: Plan }>(await depthwise([...args, "--json"]));
    expect(plan.steps.filter(({ bands }) => bands).length).toBeGreaterThan(2);
    expect(plan.movedBytes).toBeLessThan(plan.movedBytesWithoutBands);
    const { stdout } = await depthwise(args);
    expect(stdout).toMatch(/^stage2\/unit1\/expand\S* … project\S* +\d+ of 56 rows /m);
    expect(stdout).toMatch(/^arena: [\d.]+ MB for activations; [\d.]+ MB are alive at once/m);
    expectFailure(await depthwise([...args, "--connections"]), 2, /either --connections or --plan/);
  });

  test("--svg draws the network, or a block of it", async () => {
    expectFailure(await depthwise(["describe", "squeezenet_1.1", "--svg", "-", "--json"]), 2, /both want stdout/);
    const drawn = await depthwise(["describe", "squeezenet_1.1", "--svg", inFolder("network.svg")]);
    expect([drawn.code, drawn.stdout]).toEqual([0, ""]);
    expect(await readFile(inFolder("network.svg"), "utf8")).toMatch(/^<svg xmlns[\s\S]*>fire2<[\s\S]*<\/svg>\n$/);
    const block = await depthwise(["describe", "squeezenet_1.1", "--block", "fire2", "--svg", "-"]);
    expect(block.stdout).toMatch(/^<svg [\s\S]*>concatenate<[\s\S]*<\/svg>\n$/);
    const wiring = ["describe", "igcv1_l4m8_cifar", "--block", "stage1/unit1", "--channel", "3", "--svg", "-"];
    expect((await depthwise(wiring)).stdout).toContain("bold: channel 3");
  });

  test("reads a model file", async () => {
    const document = json<Document>(await depthwise(["describe", inFolder("model.safetensors"), "--json"]));
    expect(document).toMatchObject({ name: "mobilenet_v2", input: [32, 32, 3], classes: 4 });
  });
});

describe("run", () => {
  function largestDifference(a: Tensor, b: Tensor): number {
    const scale = (a.data as Float32Array).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return (
      (a.data as Float32Array).reduce((most, value, i) => Math.max(most, Math.abs(value - (b.data[i] as number))), 0) /
      scale
    );
  }

  async function tensorsIn(name: string): Promise<ReadonlyMap<string, Tensor>> {
    return readSafetensors(await readFile(inFolder(name))).tensors;
  }

  test("writes the logits and the kept values that the interpreter gives", async () => {
    const args = ["run", ...small, "--input", inFolder("x.safetensors"), "--keep", "stage2/unit2/add,pool", "--json"];
    const ended = await depthwise([...args, "--output", inFolder("y.safetensors")]);
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    const document = json<{ outputs: Record<string, number[]>; milliseconds: number }>(ended);
    expect(document.outputs).toEqual({ output: [1, 4], "stage2/unit2/add": [1, 8, 8, 8], pool: [1, 1, 1, 1280] });
    expect(document.milliseconds).toBeGreaterThan(0);
    await depthwise([...args, "--output", inFolder("z.safetensors"), "--interpreter"]);
    const [compiled, interpreted] = [await tensorsIn("y.safetensors"), await tensorsIn("z.safetensors")];
    expect([...compiled.keys()].sort()).toEqual(["output", "pool", "stage2/unit2/add"]);
    for (const [name, values] of interpreted)
      expect(largestDifference(values, compiled.get(name) as Tensor)).toBeLessThan(1e-4);
  });

  test("draws the weights from --seed, 0 when absent", async () => {
    const logits = async (...seed: readonly string[]) => {
      await depthwise([
        "run",
        ...small,
        ...seed,
        "--input",
        inFolder("x.safetensors"),
        "--output",
        inFolder("s.safetensors"),
      ]);
      return (await tensorsIn("s.safetensors")).get("output")?.data;
    };
    const first = await logits();
    expect(await logits("--seed", "0")).toEqual(first);
    expect(await logits("--seed", "1")).not.toEqual(first);
  });

  test("gives the same bits on two threads", async () => {
    const args = ["run", ...small, "--input", inFolder("x.safetensors"), "--output", "-"];
    const [one, two] = [await depthwise(args), await depthwise([...args, "--threads", "2"])];
    expect([two.code, two.stdoutBytes.length]).toEqual([0, one.stdoutBytes.length]);
    expect(two.stdoutBytes.equals(one.stdoutBytes)).toBe(true);
  });

  test("takes stdin and stdout as -, and a model file", async () => {
    const stdin = await readFile(inFolder("x.safetensors"));
    const ended = await depthwise(["run", inFolder("model.safetensors"), "--input", "-", "--output", "-"], { stdin });
    expect(ended.code).toBe(0);
    expect(readSafetensors(ended.stdoutBytes).tensors.get("output")?.shape).toEqual([1, 4]);
    const named = await depthwise(
      ["run", ...small, "--weights", inFolder("model.safetensors"), "--input", "-", "--output", "-"],
      { stdin },
    );
    expect(named.stdoutBytes.equals(ended.stdoutBytes)).toBe(true);
  });

  test.each([
    ["a missing input file", ["--input", "missing.safetensors"], 1, /missing\.safetensors: there is no such file/],
    ["a truncated input", ["--input", "cut.safetensors"], 1, /cut\.safetensors/],
    ["a file without `input`", ["--input", "other.safetensors"], 1, /no tensor "input"\. It has picture/],
    [
      "an input of another shape",
      ["--input", "wide.safetensors"],
      1,
      /"input" is 1x32x33x3, but mobilenet_v2 takes 1x32x32x3/,
    ],
    ["weights of another network", ["--input", "x.safetensors", "--weights", "x.safetensors"], 1, /unexpected/],
    [
      "a value that there is not",
      ["--input", "x.safetensors", "--keep", "stage2/unit2/ad"],
      2,
      /no value named "stage2\/unit2\/ad"/,
    ],
    ["more threads than there may be", ["--input", "x.safetensors", "--threads", "65"], 2, /threads must be .* to 64/],
    [
      "an output folder that there is not",
      ["--input", "x.safetensors", "--output", "no/y.safetensors"],
      1,
      /no does not exist/,
    ],
  ] as const)("refuses %s, and leaves the old output alone", async (_, args, code, message) => {
    const x = await readFile(inFolder("x.safetensors"));
    await writeFile(inFolder("cut.safetensors"), x.subarray(0, 3000));
    await writeFile(inFolder("other.safetensors"), writeSafetensors(new Map([["picture", tensor([1])]])));
    await writeFile(inFolder("wide.safetensors"), writeSafetensors(new Map([["input", tensor([1, 32, 33, 3])]])));
    await writeFile(inFolder("kept.safetensors"), "old");
    const paths = args.map((word) => (word.endsWith(".safetensors") ? inFolder(word) : word));
    const output = paths.includes("--output") ? [] : ["--output", inFolder("kept.safetensors")];
    const ended = await depthwise(["run", ...small, ...paths, ...output, "--json"]);
    expectFailure(ended, code, message);
    const { error } = json<ErrorDocument>(ended);
    expect(`${error.file}: ${error.message}`).toMatch(message);
    expect(await readFile(inFolder("kept.safetensors"), "utf8")).toBe("old");
  });

  test.each(["SIGINT", "SIGTERM"] as const)("leaves nothing half-written after %s", async (signal) => {
    const here = await mkdtemp(join(folder, "killed "));
    // All values of the network at 512x512: 200 MB, so that writing takes a while.
    const large = ["mobilenet_v2", "--width", "1", "--resolution", "512", "--classes", "4"];
    const keep = build("mobilenet_v2", { resolution: 512 })
      .graph.nodes.filter(({ name }) => name.endsWith("/expand"))
      .map(({ name }) => name);
    await writeFile(join(here, "x.safetensors"), writeSafetensors(new Map([["input", tensor([1, 512, 512, 3])]])));
    const args = [
      "run",
      ...large,
      "--input",
      join(here, "x.safetensors"),
      "--output",
      join(here, "y.safetensors"),
      "--keep",
      keep.join(","),
    ];
    let seen = false;
    const ended = await depthwise(args, {
      onStart: (child) => {
        const watch = setInterval(async () => {
          if (!(await readdir(here)).some((name) => name.endsWith(".part"))) return;
          seen = true;
          clearInterval(watch);
          child.kill(signal);
        }, 2);
        child.on("exit", () => clearInterval(watch));
      },
    });
    expect(seen).toBe(true);
    expect(ended.code).toBe(signal === "SIGINT" ? 130 : 143);
    expect(await readdir(here)).toEqual(["x.safetensors"]);
  });
});

describe("classify", () => {
  type Item = {
    readonly file: string;
    readonly top?: readonly { index: number; label: string; probability: number }[];
    readonly error?: { code: string; message: string };
  };

  test("tells the most probable classes of pictures in files and folders, by the model's labels", async () => {
    const pictures = await mkdtemp(join(folder, "pictures "));
    await writeFile(join(pictures, "-dash é 🐈.png"), await readFile(inFolder("red.png")));
    await writeFile(join(pictures, "broken.jpg"), "no picture");
    const ended = await depthwise([
      "classify",
      inFolder("model.safetensors"),
      inFolder("red.png"),
      pictures,
      "--json",
      "--top",
      "9",
    ]);
    expect(ended.code).toBe(0);
    const items = json<readonly Item[]>(ended);
    expect(items.map(({ file }) => file)).toEqual([
      inFolder("red.png"),
      join(pictures, "-dash é 🐈.png"),
      join(pictures, "broken.jpg"),
    ]);
    const [red, copy, broken] = items as [Item, Item, Item];
    expect(red.top?.map(({ label }) => label).sort()).toEqual(["ant", "bee", "cat", "dog"]);
    expect(red.top?.every(({ index, label }) => ["ant", "bee", "cat", "dog"][index] === label)).toBe(true);
    const probabilities = red.top?.map(({ probability }) => probability) ?? [];
    expect(probabilities).toEqual(probabilities.toSorted((a, b) => b - a));
    expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
    expect(copy.top).toEqual(red.top);
    expect(broken.error).toEqual({ code: "format", message: expect.stringContaining("not a picture") });
  });

  test("ends with 1 when no picture could be read, and says of each why", async () => {
    const ended = await depthwise([
      "classify",
      inFolder("model.safetensors"),
      inFolder("x.safetensors"),
      inFolder("none.png"),
      "--json",
    ]);
    expect(ended.code).toBe(1);
    expect(json<readonly Item[]>(ended).map(({ error }) => error?.code)).toEqual(["format", "io"]);
    const people = await depthwise(["classify", inFolder("model.safetensors"), inFolder("none.png")]);
    expectFailure(people, 1, /none\.png: there is no such file/);
    expect(people.stdout).toBe("");
  });

  test("takes labels from a file, as JSON or by lines, and names classes by number without", async () => {
    await writeFile(inFolder("labels.json"), '["eins", "zwei", "drei", "vier"]');
    await writeFile(inFolder("labels.txt"), "un\ndeux\ntrois\nquatre\n");
    const labelsOf = async (...args: readonly string[]) => {
      const ended = await depthwise([
        "classify",
        ...small,
        "--weights",
        inFolder("model.safetensors"),
        ...args,
        inFolder("red.png"),
        "--json",
      ]);
      return (json<readonly Item[]>(ended)[0]?.top ?? [])
        .toSorted((a, b) => a.index - b.index)
        .map(({ label }) => label);
    };
    expect(await labelsOf()).toEqual(["ant", "bee", "cat", "dog"]);
    expect(await labelsOf("--labels", inFolder("labels.json"))).toEqual(["eins", "zwei", "drei", "vier"]);
    expect(await labelsOf("--labels", inFolder("labels.txt"))).toEqual(["un", "deux", "trois", "quatre"]);
    const unnamed = await depthwise(["classify", ...small, inFolder("red.png"), "--json", "--top", "1"]);
    expect(json<readonly Item[]>(unnamed)[0]?.top?.[0]?.label).toMatch(/^class [0-3]$/);
    const few = await depthwise([
      "classify",
      "squeezenet_cifar",
      "--labels",
      inFolder("labels.txt"),
      inFolder("red.png"),
    ]);
    expectFailure(few, 1, /expected 10 labels, one for each class, but it has 4/);
  });

  test("for people prints each picture and its classes; names may begin with a dash", async () => {
    await writeFile(inFolder("-red.png"), await readFile(inFolder("red.png")));
    const cwd = process.cwd();
    process.chdir(folder);
    const ended = await depthwise(["classify", "model.safetensors", "--top", "2", "--", "-red.png"]).finally(() =>
      process.chdir(cwd),
    );
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    expect(ended.stdout).toMatch(/^-red\.png\n( +\d+\.\d % {2}(ant|bee|cat|dog)\n){2}$/);
  });

  test("prepares pictures as it is told", async () => {
    const top = async (...args: readonly string[]) => {
      const ended = await depthwise([
        "classify",
        inFolder("model.safetensors"),
        inFolder("red.png"),
        ...args,
        "--json",
      ]);
      return json<readonly Item[]>(ended)[0]?.top;
    };
    const own = await top();
    // What the model's metadata says, said again: torchvision's numbers.
    const again = await top(
      "--scale",
      "1/255",
      "--mean",
      "0.485,0.456,0.406",
      "--std",
      "0.229,0.224,0.225",
      "--resize",
      "256",
      "--crop",
      "224",
    );
    expect(again).toEqual(own);
    expect(await top("--preprocessing", "tensorflow")).not.toEqual(own);
    expect(await top("--channel-order", "bgr")).not.toEqual(own);
  });
});

describe("bench", () => {
  interface Measured {
    readonly name: string;
    readonly threads: number;
    readonly milliseconds: { readonly median: number; readonly min: number; readonly p90: number };
    readonly layers?: readonly { readonly name: string; readonly share: number; readonly milliseconds: number }[];
    readonly [figure: string]: unknown;
  }
  const two = [...small, "squeezenet_cifar"];

  test("--json measures several models, in the order asked for", async () => {
    const ended = await depthwise(["bench", ...two, "--runs", "5", "--json"]);
    expect(ended.code).toBe(0);
    const [first, second, ...others] = json<readonly Measured[]>(ended);
    expect([first?.name, second?.name, others]).toEqual(["mobilenet_v2", "squeezenet_cifar", []]);
    for (const measured of [first, second] as readonly Measured[]) {
      const { min, median, p90 } = measured.milliseconds;
      expect(min > 0 && min <= median && median <= p90).toBe(true);
      expect(measured.shareOfPeak).toBeGreaterThan(0);
      for (const figure of [
        "gigamacsPerSecond",
        "moduleBytes",
        "weightBytes",
        "arenaBytes",
        "compileMilliseconds",
        "firstRunMilliseconds",
      ])
        expect(measured[figure]).toBeGreaterThan(0);
      expect(measured.threads).toBe(1);
      expect(measured).not.toHaveProperty("layers");
    }
  });

  test("--layers gives the share of each", async () => {
    const [measured] = json<readonly Measured[]>(
      await depthwise(["bench", "squeezenet_cifar", "--runs", "3", "--layers", "--json"]),
    );
    const layers = measured?.layers ?? [];
    expect(layers.length).toBeGreaterThan(20);
    expect(layers.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
    expect(layers.map(({ name }) => name.split("+")[0])).toContain("fire2/expand3x3");
  });

  test("--tune measures choices once, and what they are worth", async () => {
    const args = ["bench", ...small, "--tune", "--runs", "2", "--json"];
    const environment = { env: { XDG_CACHE_HOME: inFolder("cache") } };
    const [modelled, tuned, ...others] = json<readonly Measured[]>(await depthwise(args, environment));
    expect([modelled?.tuned, tuned?.tuned, others]).toEqual([false, true, []]);
    const folder = join(inFolder("cache"), "depthwise", "tuning");
    const [file] = await readdir(folder);
    const remembered = await readFile(join(folder, file as string), "utf8");
    expect(Object.keys(JSON.parse(remembered).tiles).length).toBeGreaterThan(10);
    await depthwise(args, environment);
    expect(await readFile(join(folder, file as string), "utf8")).toBe(remembered);
  });

  test("--wide measures the module for 256-bit vectors", async () => {
    const [measured] = json<readonly Measured[]>(
      await depthwise(["bench", "squeezenet_cifar", "--runs", "2", "--wide", "--json"]),
    );
    expect(measured?.wide).toBe(true);
  });

  test("for people says which layers dominate", async () => {
    const { stdout } = await depthwise(["bench", ...two, "--runs", "2"]);
    expect(stdout).toMatch(/ceiling of 128-bit multiply-adds: [\d.]+ GMAC\/s/);
    expect(stdout).toMatch(/^mobilenet_v2 --width 0\.25 --resolution 32 --classes 4 +1 +[\d.]+ ms/m);
    expect(stdout.match(/time by kind: .*(pointwise|convolution)/g)).toHaveLength(2);
    expect(stdout).toMatch(/5 of \d+ layers take [\d.]+ %: /);
  });
});
