import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, drawShapes, initializeForTraining, readSafetensors, type Tensor, writeWeights } from "@depthwise/core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { depthwise, type Ended, json } from "../testing/run_cli.ts";

const model = ["--model", "mobilenet_v1", "--width", "0.25", "--shallow", "--resolution", "32"];
const short = ["--epochs", "3", "--batch", "8", "--no-report"];

let folder: string;
const inFolder = (...names: readonly string[]): string => join(folder, ...names);

/** Drawn shapes as PNG files, a folder a class. */
async function drawFolder(name: string, counts: Readonly<Record<string, number>>): Promise<string> {
  const set = drawShapes({ count: 400, split: "train" });
  const [height, width] = set.size;
  for (const [label, count] of Object.entries(counts)) {
    await mkdir(inFolder(name, label), { recursive: true });
    const own = [...set.classes.keys()].filter((i) => set.labels[set.classes[i] as number] === label).slice(0, count);
    for (const i of own) {
      const pixels = set.data.subarray(i * height * width * 3, (i + 1) * height * width * 3);
      await sharp(pixels, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(inFolder(name, label, `${i}.png`));
    }
  }
  return inFolder(name);
}

let shapes: string;
/** The weights that every way to train on `shapes` must end with. */
let expected: ReadonlyMap<string, Tensor>;
let whole: Ended;

async function weightsOf(file: string): Promise<ReadonlyMap<string, Tensor>> {
  return readSafetensors(await readFile(file)).tensors;
}

function expectSameWeights(actual: ReadonlyMap<string, Tensor>): void {
  expect([...actual.keys()]).toEqual([...expected.keys()]);
  for (const [name, { data }] of expected) expect([name, actual.get(name)?.data]).toEqual([name, data]);
}

function lines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise train "));
  shapes = await drawFolder("shapes", { circle: 20, cross: 20, star: 20 });
  whole = await depthwise(["train", shapes, ...model, ...short, "-o", inFolder("whole.safetensors"), "--json"]);
  expected = existsSync(inFolder("whole.safetensors")) ? await weightsOf(inFolder("whole.safetensors")) : new Map();
}, 120_000);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

interface Judged {
  readonly validationTop1: number;
  readonly validationLoss: number;
}

describe("train --json", () => {
  test("prints a line an epoch and one at the end, and nothing else on stdout", () => {
    expect([whole.code, whole.stderr]).toEqual([0, expect.not.stringMatching(/^\s+at /m)]);
    const printed = lines(whole.stdout);
    expect(printed).toHaveLength(4);
    for (const [i, record] of printed.slice(0, 3).entries()) {
      expect(record).toEqual({
        ...{ epoch: i + 1, of: 3, trainLoss: expect.any(Number), trainTop1: expect.any(Number) },
        ...{ validationLoss: expect.any(Number), validationTop1: expect.any(Number) },
        ...{ imagesPerSecond: expect.any(Number), seconds: expect.any(Number) },
      });
    }
    const best = printed.slice(0, 3).toSorted((a, b) => {
      const [first, second] = [a, b] as unknown as readonly [Judged, Judged];
      return second.validationTop1 - first.validationTop1 || first.validationLoss - second.validationLoss;
    })[0];
    expect(printed[3]).toEqual({ best, file: inFolder("whole.safetensors") });
  });

  test("leaves one file, with labels and the record of the run, which evaluate reads", async () => {
    expect((await readdir(folder)).filter((name) => name.startsWith("whole"))).toEqual(["whole.safetensors"]);
    const { metadata } = readSafetensors(await readFile(inFolder("whole.safetensors")));
    expect(JSON.parse(metadata.labels ?? "")).toEqual(["circle", "cross", "star"]);
    expect(JSON.parse(metadata.training ?? "")).toMatchObject({
      ...{ finished: true, network: "mobilenet_v1", pictures: { train: 51, validation: 9 } },
      recipe: { epochs: 3, batch: 8, seed: 0 },
    });
    const ended = await depthwise(["evaluate", inFolder("whole.safetensors"), shapes, "--json"]);
    const result = json<{ images: number; top1: number; confusion: number[][]; perClass: { label: string }[] }>(ended);
    expect(result).toMatchObject({
      images: 60,
      top5: 1,
      loss: expect.any(Number),
      imagesPerSecond: expect.any(Number),
    });
    expect(result.confusion.map((row) => row.reduce((a, b) => a + b))).toEqual([20, 20, 20]);
    expect(result.perClass.map(({ label }) => label)).toEqual(["circle", "cross", "star"]);
    const right = result.confusion.reduce((sum, row, i) => sum + (row[i] as number), 0);
    expect(result.top1).toBeCloseTo(right / 60, 12);
  }, 60_000);
});

describe("train --teacher", () => {
  test("learns files' answers too, says whose, and goes on with no other", async () => {
    const output = inFolder("taught.safetensors");
    const command = ["train", shapes, ...model, ...short, "-o", output, "--json"];
    const teachers = Array(2).fill(inFolder("whole.safetensors")).join(",");
    const ended = await depthwise([...command, "--teacher", teachers]);
    expect([ended.code, ended.stderr]).toEqual([0, expect.anything()]);
    const { tensors, metadata } = readSafetensors(await readFile(output));
    expect(JSON.parse(metadata.training ?? "")).toMatchObject({
      recipe: { teacherShare: 0.5 },
      teachers: Array(2).fill({ network: "mobilenet_v1", hash: expect.stringMatching(/^[0-9a-f]{16}$/) }),
    });
    expect(tensors.get("stem/kernel")?.data).not.toEqual(expected.get("stem/kernel")?.data);
    const other = await depthwise([...command, "--teacher", output, "--resume"]);
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("was made with teachers")]);
  }, 60_000);

  test("refuses one of other classes", async () => {
    const output = inFolder("refused.safetensors");
    const command = ["train", shapes, ...model, ...short, "--teacher", "mobilenet_v2_cifar", "-o", output];
    const ended = await depthwise(command);
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringContaining("has other classes")]);
    expect(existsSync(output)).toBe(false);
  }, 60_000);
});

test("--skip-easy and --schedule are in the record, and in the checkpoint of an interrupted run", async () => {
  const command = (name: string) => {
    const more = ["--epochs", "4", "--skip-easy", "0.5", "--schedule", "linear", "-o", inFolder(name), "--json"];
    return ["train", shapes, ...model, ...short, ...more];
  };
  const once = await depthwise(command("hard.safetensors"));
  expect([once.code, once.stderr]).toEqual([0, expect.anything()]);
  const { tensors, metadata } = readSafetensors(await readFile(inFolder("hard.safetensors")));
  expect(JSON.parse(metadata.training ?? "").recipe).toMatchObject({ skipEasy: 0.5, schedule: "linear" });
  const interrupted = await depthwise(command("hard2.safetensors"), {
    onStart: (child) => child.stdout?.once("data", () => child.kill("SIGINT")),
  });
  expect([interrupted.code, interrupted.stderr]).toEqual([130, expect.stringMatching(/^Interrupted after epoch 1/m)]);
  const resumed = await depthwise([...command("hard2.safetensors"), "--resume"]);
  expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
  const again = await weightsOf(inFolder("hard2.safetensors"));
  for (const [name, { data }] of tensors) expect([name, again.get(name)?.data]).toEqual([name, data]);
}, 60_000);

describe("the same weights", () => {
  test("for two threads", async () => {
    const output = inFolder("two.safetensors");
    const ended = await depthwise(["train", shapes, ...model, ...short, "-o", output, "--threads", "2", "--json"]);
    expect([ended.code, ended.stderr]).toEqual([0, expect.anything()]);
    expectSameWeights(await weightsOf(output));
  }, 60_000);

  // The moments are drawn anew each time; what must hold does not depend on them.
  test("when it is killed at ten random moments and resumed, with never half a file on the way", async () => {
    const output = inFolder("killed.safetensors");
    const args = ["train", shapes, ...model, ...short, "-o", output, "--json", "--resume"];
    let epochs: unknown[] = [];
    let ended: Ended;
    let kills = 0;
    do {
      const patience = 400 + Math.random() * 2200;
      ended = await depthwise(args, {
        onStart: (child) => {
          if (kills < 10) setTimeout(() => child.kill("SIGKILL"), patience);
        },
      });
      if (ended.signal === "SIGKILL") kills++;
      if (ended.stdout.endsWith("\n")) epochs.push(...lines(ended.stdout).flatMap(({ epoch }) => epoch ?? []));
      for (const file of [output, `${output}.checkpoint`]) {
        if (existsSync(file)) expect(readSafetensors(await readFile(file)).tensors.size).toBeGreaterThan(50);
      }
      expect([null, 0]).toContain(ended.code);
      if (ended.code !== 0) continue;
      expectSameWeights(await weightsOf(output));
      // Each kill costs one epoch at most: the numbers never go back by more than one.
      for (const [i, epoch] of epochs.entries()) {
        if (i > 0) expect(epoch as number).toBeGreaterThanOrEqual(epochs[i - 1] as number);
      }
      expect(existsSync(`${output}.checkpoint`)).toBe(false);
      await rm(output);
      epochs = [];
    } while (kills < 10 || ended.code !== 0);
  }, 240_000);

  test("when it is interrupted in the middle of an epoch: it says how to go on", async () => {
    const output = inFolder("interrupted.safetensors");
    const args = ["train", shapes, ...model, ...short, "-o", output, "--json"];
    const ended = await depthwise(args, {
      onStart: (child) => child.stdout?.once("data", () => child.kill("SIGINT")),
    });
    expect([ended.code, ended.stderr]).toEqual([130, expect.stringMatching(/^Interrupted after epoch 1.*--resume/m)]);
    expect((await readdir(folder)).filter((name) => name.endsWith(".part"))).toEqual([]);
    const resumed = await depthwise([...args, "--resume"]);
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.stringMatching(/^Going on after epoch 1 of 3/m)]);
    expectSameWeights(await weightsOf(output));
    const again = await depthwise([...args, "--resume"]);
    expect([again.code, again.stderr]).toEqual([0, expect.stringMatching(/is finished; there is nothing to resume/)]);
    expect(lines(again.stdout)).toEqual(lines(resumed.stdout).slice(-1));
    const other = await depthwise([...args, "--resume", "--seed", "1"]);
    expect(other.code).toBe(2);
    expect(lines(other.stdout)[0]?.error).toMatchObject({
      code: "option",
      message: expect.stringMatching(/pictures|recipe/),
    });
  }, 120_000);
});

describe("train --from", () => {
  const from = () => ["train", shapes, ...short, "--epochs", "1", "--from", inFolder("whole.safetensors")];

  test("takes all weights over for the same classes, and freezes the body with --freeze", async () => {
    const output = inFolder("frozen.safetensors");
    const ended = await depthwise([...from(), "--freeze", "-o", output, "--json"]);
    expect([ended.code, ended.stderr]).toEqual([0, expect.stringMatching(/All weights are taken over/)]);
    const weights = await weightsOf(output);
    for (const [name, { data }] of expected) {
      const isHead = name.startsWith("classifier/");
      expect([name, Buffer.compare(bytesOf(data), bytesOf(weights.get(name)?.data)) === 0]).toEqual([name, !isHead]);
    }
  }, 60_000);

  test("gives other classes a new last layer", async () => {
    const pets = await drawFolder("pets", { heart: 12, arrow: 12 });
    const output = inFolder("pets.safetensors");
    const args = ["train", pets, ...short, "--epochs", "1", "--from", inFolder("whole.safetensors"), "-o", output];
    const ended = await depthwise([...args, "--body-rate", "0.1", "--json"]);
    expect([ended.code, ended.stderr]).toEqual([
      0,
      expect.stringMatching(/Drawn anew: classifier\/kernel, classifier\/bias\./),
    ]);
    const { metadata } = readSafetensors(await readFile(output));
    expect(JSON.parse(metadata.labels ?? "")).toEqual(["arrow", "heart"]);
    expect(JSON.parse(metadata.training ?? "").recipe.bodyRate).toBe(0.1);
  }, 60_000);

  test("gives batch norms that were folded their statistics again, but not to a body that stays", async () => {
    const network = build("mobilenet_v1", { width: 0.25, shallow: true, resolution: 32, classes: 3 });
    const folded = inFolder("folded.safetensors");
    await writeFile(folded, writeWeights(initializeForTraining(network.graph, 1), network));
    const args = ["train", shapes, ...short, "--epochs", "1", "--from", folded, "--json"];
    const ended = await depthwise([...args, "-o", inFolder("unfolded.safetensors")]);
    expect([ended.code, ended.stderr]).toEqual([0, expect.stringMatching(/were folded; .* of \d+ training pictures/)]);
    const frozen = await depthwise([...args, "--freeze", "-o", inFolder("kept.safetensors")]);
    expect([frozen.code, frozen.stderr]).toEqual([0, expect.not.stringMatching(/were folded/)]);
  }, 60_000);

  test("refuses another network than the file's", async () => {
    const args = [...from(), "--model", "mobilenet_v1", "--width", "0.5", "--shallow", "--resolution", "32"];
    const ended = await depthwise([...args, "-o", inFolder("x.safetensors"), "--json"]);
    expect(ended.code).toBe(1);
    expect(lines(ended.stdout)).toEqual([
      { error: expect.objectContaining({ code: "weights", message: expect.stringMatching(/^--from: mobilenet_v1 /) }) },
    ]);
  });
});

function bytesOf(data: Tensor["data"] | undefined): Uint8Array {
  return data === undefined ? new Uint8Array() : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

describe("train refuses", () => {
  /** Fails with one line of JSON, in words for people on stderr, and leaves no file. */
  async function expectRefusal(args: readonly string[], code: 1 | 2, error: object): Promise<void> {
    const before = await readdir(folder);
    const ended = await depthwise(["train", ...args, "--json"]);
    expect([ended.code, ended.stdout]).toEqual([code, expect.stringMatching(/^\{"error":.*\}\n$/)]);
    expect(lines(ended.stdout)[0]?.error).toMatchObject(error);
    expect(ended.stderr).toMatch(/^depthwise: /m);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
    expect(await readdir(folder)).toEqual(before);
  }
  const output = () => ["-o", inFolder("refused.safetensors")];

  test("a rate at which the loss is no number any more, with advice", async () => {
    const absurd = ["--rate", "1e30", "--clip", "0"];
    await expectRefusal([shapes, ...model, ...short, ...absurd, ...output()], 1, {
      code: "diverged",
      message: expect.stringMatching(/^Training diverged in epoch 1.* Nothing was written\.$/),
      hint: expect.stringMatching(/--rate \(2\.5e\+29/),
    });
  });

  test.each([
    ["no DATA", () => [...model.slice(0, 2), ...output()], 2, { code: "option" }],
    ["no output", () => [shapes, ...model], 2, { code: "option", message: expect.stringMatching(/-o OUT/) }],
    ["no model", () => [shapes, ...output()], 2, { code: "option", message: expect.stringMatching(/--model M/) }],
    ["an unknown model", () => [shapes, "--model", "mobilnet_v1", ...output()], 2, { code: "option" }],
    ["an unknown option", () => [shapes, ...model, "--epoch", "3", ...output()], 2, { code: "option" }],
    [
      "a folder that is not there",
      () => [inFolder("nowhere"), ...model, ...output()],
      1,
      { code: "io", message: expect.stringMatching(/there is no such file/) },
    ],
    [
      "an output folder that is not there",
      () => [shapes, ...model, "-o", inFolder("nowhere", "x.safetensors")],
      1,
      { code: "io", message: expect.stringMatching(/does not exist/), hint: expect.stringMatching(/^Make it/) },
    ],
    ["--freeze without --from", () => [shapes, ...model, "--freeze", ...output()], 2, { code: "option" }],
    [
      "a batch that cannot be cut into micro-batches",
      () => [shapes, ...model, "--batch", "8", "--micro-batch", "3", ...output()],
      2,
      { code: "option", message: expect.stringMatching(/3 does not divide 8/) },
    ],
  ] satisfies [string, () => string[], 1 | 2, object][])("%s", async (_what, args, code, error) => {
    await expectRefusal(args(), code, error);
  });

  test("one class only, no classes, and a class folder with nothing in it but that", async () => {
    const single = await drawFolder("single", { star: 3 });
    await expectRefusal([single, ...model, ...output()], 1, { code: "format" });
    await mkdir(inFolder("single", "empty"));
    await expectRefusal([single, ...model, ...output()], 1, { code: "format" });
    await mkdir(inFolder("bare"));
    await expectRefusal([inFolder("bare"), ...model, ...output()], 1, { code: "format" });
  });

  test("a full disk, naming the file", async () => {
    // /dev/full takes nothing; elsewhere there is no such device.
    if (!existsSync("/dev/full")) return;
    const ended = await depthwise(["train", shapes, ...model, ...short, "-o", "/dev/full", "--json"]);
    expect([ended.code, ended.stdout]).toEqual([1, expect.stringMatching(/"code":"io".*the disk is full/)]);
  });
});

test("a class with one picture and an empty class are told, and training goes on", async () => {
  const odd = await drawFolder("odd", { star: 12, ring: 12, heart: 1 });
  await mkdir(inFolder("odd", "nothing"));
  await writeFile(inFolder("odd", "star", "broken.png"), "no picture");
  await copyFile(
    inFolder("odd", "heart", (await readdir(inFolder("odd", "heart")))[0] as string),
    inFolder("spare.png"),
  );
  const args = ["train", odd, ...model, ...short, "--epochs", "1", "-o", inFolder("odd.safetensors")];
  const ended = await depthwise(args);
  expect([ended.code, ended.stderr]).toEqual([0, expect.stringMatching(/single training picture: heart/)]);
  expect(ended.stderr).toMatch(/nothing/);
  expect(ended.stderr).toMatch(/broken\.png.*(left out|is no)/);
  expect(ended.stdout).toMatch(/^mobilenet_v1: 3 classes, \d+ pictures/m);
  expect(ended.stdout).toMatch(/^epoch +1 of 1 +loss/m);
}, 60_000);

test("the report is one page with everything inside", async () => {
  const output = inFolder("told.safetensors");
  const ended = await depthwise(["train", shapes, ...model, "--epochs", "2", "--batch", "8", "-o", output, "--json"]);
  expect(ended.code).toBe(0);
  expect(lines(ended.stdout).at(-1)).toMatchObject({ report: inFolder("told.html") });
  const page = await readFile(inFolder("told.html"), "utf8");
  for (const heading of ["How it went", "Class by class", "Worst mistakes", "What it costs", "How it was made"]) {
    expect(page).toContain(`>${heading}</h2>`);
  }
  expect(page).toMatch(/href="data:image\/png;base64,/);
  expect(page).toContain("--epochs 2");
  // Nothing is fetched: no script, no address outside.
  expect(page).not.toMatch(/<script|(?:src|href)="(?!#|data:)/);
}, 60_000);
