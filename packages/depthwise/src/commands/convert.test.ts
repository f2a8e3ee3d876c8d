import type { ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  build,
  initializeWeights,
  readSafetensors,
  type Tensor,
  tensor,
  writeSafetensors,
  writeWeights,
} from "@depthwise/core";
import { type ForeignModel, readModel } from "@depthwise/formats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { depthwise, json } from "../testing/run_cli.ts";

interface Document {
  readonly read: { readonly format: string; readonly tensors: number };
  readonly written: { readonly format: string; readonly tensors: number; readonly bytes: number };
  readonly family: string | null;
  readonly unmatched: readonly string[];
}

const network = build("shufflenet_v2_cifar");
const weights = initializeWeights(network.graph, 3);
let folder: string;
const inFolder = (...names: readonly string[]): string => join(folder, ...names);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise convert "));
  await writeFile(inFolder("ours.safetensors"), writeWeights(weights, network));
});
afterAll(() => rm(folder, { recursive: true }));

async function convert(from: string, to: string, ...options: readonly string[]): Promise<Document> {
  const ended = await depthwise(["convert", inFolder(from), inFolder(to), "--json", ...options]);
  expect([ended.code, ended.stderr.replace(/^depthwise: .* alike; .*\n/, "")]).toEqual([0, ""]);
  return json<Document>(ended);
}

async function read(name: string): Promise<ForeignModel> {
  return readModel(await readFile(inFolder(name)), { file: name, readBeside: (part) => readFile(inFolder(part)) });
}

/** @param tolerance over a tensor's largest number */
function expectClose(
  found: ReadonlyMap<string, Tensor>,
  expected: ReadonlyMap<string, Tensor>,
  tolerance: number,
): void {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { shape, data }] of expected) {
    const other = found.get(name) as Tensor;
    expect(other.shape).toEqual(shape);
    const largest = (data as Float32Array).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(
      (data as Float32Array).every((value, i) => Math.abs(value - (other.data[i] as number)) <= tolerance * largest),
      name,
    ).toBe(true);
  }
}

describe("depthwise convert", () => {
  test("says what was read and written", async () => {
    const document = await convert("ours.safetensors", "said.pth");
    const { size } = await readFile(inFolder("said.pth")).then(({ length }) => ({ size: length }));
    expect(document).toMatchObject({
      read: { format: "safetensors", tensors: weights.size },
      written: { format: "pytorch", tensors: weights.size, bytes: size },
      family: "shufflenet_v2",
      unmatched: [],
    });
    const ended = await depthwise(["convert", inFolder("ours.safetensors"), inFolder("said.pth")]);
    expect(ended.stdout).toMatch(/^read {5}safetensors, \d+ tensors: shufflenet_v2_cifar\nwritten {2}pytorch, /);
  });

  test.each(["x.pth", "x.pt", "x.onnx", "x.tflite", "model.json"])(
    "ours to %s and back is the same network with the same weights",
    async (name) => {
      await convert("ours.safetensors", name);
      // Names and shapes of PyTorch's files fit two variants.
      const back = await convert(name, "back.safetensors", ...(/\.pth?$/.test(name) ? ["--family", network.name] : []));
      expect(back.family).toBe("shufflenet_v2");
      const { tensors, metadata } = readSafetensors(await readFile(inFolder("back.safetensors")));
      expect(metadata.network).toBe("shufflenet_v2_cifar");
      const isFolded = /tflite|json/.test(name);
      // Drawn norms are the identity but for their epsilon of 1e-5: folding multiplies kernels by 1 / sqrt(1 + 1e-5).
      const unfolded = ([key]: readonly [string, Tensor]): boolean => !isFolded || !/\/norm\/(variance)$/.test(key);
      expectClose(new Map([...tensors].filter(unfolded)), new Map([...weights].filter(unfolded)), isFolded ? 6e-6 : 0);
    },
  );

  test("of names of torchvision: .pth, ours and safetensors hold equal tensors", async () => {
    await convert("ours.safetensors", "theirs.pth", "--naming", "torchvision");
    await convert("theirs.pth", "between.safetensors", "--family", "shufflenet_v2_cifar");
    await convert("between.safetensors", "theirs.safetensors", "--naming", "torchvision");
    const [first, last] = [await read("theirs.pth"), await read("theirs.safetensors")];
    expect([...first.tensors.keys()]).toContain("stage2.0.branch1.0.weight");
    expect(last.tensors).toEqual(first.tensors);
  });

  test("halves a file", async () => {
    const whole = await convert("ours.safetensors", "whole.safetensors");
    const half = await convert("ours.safetensors", "half.safetensors", "--weights-type", "f16");
    expect(half.written.bytes / whole.written.bytes).toBeLessThan(0.7);
    expect([...(await read("half.safetensors")).tensors.values()].every(({ dtype }) => dtype === "f16")).toBe(true);
  });

  test("takes tensors of no known network from one container to another", async () => {
    const tensors = new Map([["layer.weight", tensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6))]]);
    await writeFile(inFolder("unknown.safetensors"), writeSafetensors(tensors));
    expect(await convert("unknown.safetensors", "unknown.pth")).toMatchObject({ family: null });
    expect((await read("unknown.pth")).tensors).toEqual(tensors);
    const ended = await depthwise(["convert", inFolder("unknown.pth"), inFolder("unknown.onnx")]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/holds 1 tensors \(layer\.weight.*none of ours/);
  });

  test("leaves the background out when it is told to", async () => {
    const of11 = build("squeezenet_cifar", { classes: 11 });
    await writeFile(inFolder("eleven.safetensors"), writeWeights(initializeWeights(of11.graph), of11));
    await convert("eleven.safetensors", "ten.safetensors", "--drop-background");
    const { tensors, metadata } = readSafetensors(await readFile(inFolder("ten.safetensors")));
    expect(JSON.parse(metadata.options as string)).toMatchObject({ classes: 10 });
    expect(tensors.get("conv10/bias")?.shape).toEqual([10]);
  });

  test.each([
    ["no OUT", ["a.pth"], /OUT is missing/, 2],
    ["an ending that is none", ["ours.safetensors", "x.h5"], /says no format that is written/, 2],
    ["a caffemodel to write", ["ours.safetensors", "x.caffemodel"], /says no format/, 2],
    ["an IN that is not there", ["none.pth", "x.onnx"], /no such file/, 1],
    ["an OUT in no folder", ["ours.safetensors", "none/x.onnx"], /does not exist/, 1],
    ["a naming of another network", ["ours.safetensors", "x.pth", "--naming", "timm"], /has no naming "timm"/, 2],
    ["a naming for a graph", ["ours.safetensors", "x.onnx", "--naming", "timm"], /--naming is for/, 2],
    ["halves for a graph", ["ours.safetensors", "x.tflite", "--weights-type", "f16"], /f16 is for/, 2],
  ] as const)("refuses %s, and writes nothing", async (_, [from, to, ...options], message, code) => {
    const files = await readdir(folder);
    const ended = await depthwise(["convert", inFolder(from), ...(to === undefined ? [] : [inFolder(to)]), ...options]);
    expect([ended.code, ended.stderr]).toEqual([code, expect.stringMatching(message)]);
    expect(await readdir(folder)).toEqual(files);
  });

  test.each(["out.safetensors", "out.pth", "out.onnx", "out.tflite", "model.json"])(
    "%s is whole or absent, whenever the process is killed",
    async (name) => {
      const target = await mkdtemp(join(folder, "killed "));
      const out = join(target, name);
      const from = inFolder("ours.safetensors");
      const start = performance.now();
      await depthwise(["convert", from, out]);
      const duration = performance.now() - start;
      const whole = await readFile(out);
      let wasKilled = 0;
      for (let kill = 0; kill < 8; kill++) {
        await rm(target, { recursive: true });
        await mkdir(target);
        // The last two fifths of its life are when it writes; a process that starts is killed now and then too.
        const delay = duration * (kill % 4 === 0 ? Math.random() : 0.6 + Math.random() * 0.45);
        const ended = await depthwise(["convert", from, out], {
          onStart: (child: ChildProcess) => void setTimeout(() => child.kill("SIGKILL"), delay),
        });
        wasKilled += Number(ended.signal === "SIGKILL");
        const files = await readdir(target);
        if (!files.includes(name)) continue;
        expect(await readFile(out)).toEqual(whole);
        const model = await readModel(await readFile(out), {
          file: name,
          readBeside: (part) => readFile(join(target, part)),
        });
        expect(model.tensors.size).toBeGreaterThan(0);
      }
      expect(wasKilled).toBeGreaterThan(0);
    },
    120_000,
  );
});

describe("a file of another tool as MODEL", () => {
  test("is described by name, and as weights of a named network", async () => {
    await convert("ours.safetensors", "m.onnx");
    const described = await depthwise(["describe", inFolder("m.onnx"), "--json"]);
    expect(json<{ name: string; family: string }>(described)).toMatchObject({
      name: network.name,
      family: network.family,
    });
    const x = writeSafetensors(new Map([["input", tensor([1, 32, 32, 3], new Float32Array(3072).fill(0.5))]]));
    await writeFile(inFolder("x.safetensors"), x);
    const outputs: unknown[] = [];
    for (const model of [["ours.safetensors"], ["m.onnx"]].map(([name = ""]) => [inFolder(name)])) {
      outputs.push(await outputOf(model));
    }
    outputs.push(await outputOf([network.name, "--weights", inFolder("m.onnx")]));
    expect(outputs[1]).toEqual(outputs[0]);
    expect(outputs[2]).toEqual(outputs[0]);
  });

  async function outputOf(model: readonly string[]): Promise<Tensor | undefined> {
    const [input, output] = [inFolder("x.safetensors"), inFolder("y.safetensors")];
    const ended = await depthwise(["run", ...model, "--input", input, "--output", output]);
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    return readSafetensors(await readFile(output)).tensors.get("output");
  }

  test("says in which options it differs from the network that was named", async () => {
    const other = build("mobilenet_v1_cifar", { padding: "tf" });
    await writeFile(inFolder("tf.safetensors"), writeWeights(initializeWeights(other.graph), other));
    await convert("tf.safetensors", "tf.tflite");
    const ended = await depthwise(["describe", "mobilenet_v1_cifar"]);
    expect(ended.code).toBe(0);
    const refused = await depthwise(["bench", "mobilenet_v1_cifar", "--weights", inFolder("tf.tflite")]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/holds mobilenet_v1_cifar with padding "tf"/),
    ]);
  });
});
