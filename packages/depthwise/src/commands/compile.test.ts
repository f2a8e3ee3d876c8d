import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verifyModel } from "../standalone/verify_model.ts";
import { depthwise, json } from "../testing/run_cli.ts";

const small = ["mobilenet_v2", "--width", "0.25", "--resolution", "32", "--classes", "4"];

let root: string;
const at = (...parts: readonly string[]): string => join(root, ...parts);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "depthwise-compile-"));
  await writeFile(at("names.txt"), "north\neast\nsouth\nwest\n");
});

afterAll(() => rm(root, { recursive: true, force: true }));

async function sizesIn(folder: string): Promise<Record<string, number>> {
  const names = await readdir(folder);
  const sizes = await Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).size] as const));
  return Object.fromEntries(sizes);
}

describe("compile", () => {
  test("--json prints the files and their sizes, as they are on the disk", async () => {
    const ended = await depthwise([
      "compile",
      ...small,
      "-o",
      at("a"),
      "--page",
      "--labels",
      at("names.txt"),
      "--json",
    ]);
    expect(ended.code).toBe(0);
    const { files } = json<{ files: Record<string, number> }>(ended);
    expect(files).toEqual(await sizesIn(at("a")));
    for (const name of ["model.wasm", "model.mjs", "model.d.ts", "demo.html"]) expect(files).toHaveProperty([name]);
    expect(await readFile(at("a", "model.d.mts"), "utf8")).toContain('| "north"\n  | "east"');
  });

  test("again with other options leaves no file of the first time, and keeps what is not its own", async () => {
    await writeFile(at("a", "notes.txt"), "mine");
    const ended = await depthwise(["compile", ...small, "-o", at("a"), "--single", "--weights-type", "int8"]);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/^model\.mjs +\d+(\.\d+)? kB$/m);
    const left = ["README.md", "model.certificate.json", "model.d.mts", "model.d.ts", "model.mjs", "notes.txt"];
    expect((await readdir(at("a"))).sort()).toEqual(left);
  });

  test("takes the preprocessing that it is told", async () => {
    const how = ["--preprocessing", "tensorflow", "--mean", "1,2,3"];
    await depthwise(["compile", ...small, "-o", at("told"), ...how]);
    const text = await readFile(at("told", "model.mjs"), "utf8");
    expect(text).toContain('"mean":[1,2,3],"std":[127.5,127.5,127.5]');
  });

  test.each([
    ["no folder", [], 2, "--output FOLDER is missing"],
    ["two ways of storing weights", ["-o", "x", "--split", "--single"], 2, "either --split or --single"],
    ["an unknown type", ["-o", "x", "--weights-type", "f8"], 2, "f32, f16, int8"],
    ["no thread", ["-o", "x", "--threads", "0"], 2, "from 1 up"],
    ["more threads than there may be", ["-o", "x", "--threads", "65"], 2, "from 1 to 64"],
    ["a second word", ["more", "-o", "x"], 2, 'one MODEL is expected, but "more" follows it'],
  ])("refuses %s as wrong usage", async (_, args, code, message) => {
    const ended = await depthwise(["compile", ...small, ...args, "--json"]);
    expect(ended.code).toBe(code);
    expect(json<{ error: { message: string } }>(ended).error.message).toContain(message);
    expect(existsSync("x")).toBe(false);
  });

  test("refuses a file in the folder's place", async () => {
    const ended = await depthwise(["compile", ...small, "-o", at("names.txt"), "--json"]);
    expect(ended.code).toBe(1);
    expect(json<{ error: { code: string; file: string } }>(ended).error).toMatchObject({
      code: "io",
      file: at("names.txt"),
    });
  });

  test.each(["SIGKILL", "SIGTERM"] as const)(
    "killed by %s at any time leaves a whole model or none",
    async (signal) => {
      for (const delay of [300, 700, 1100]) {
        const folder = at(`${signal}${delay}`);
        await depthwise(["compile", "squeezenet_1.1", "-o", folder], {
          onStart: (child) => void sleep(delay).then(() => child.kill(signal)),
        });
        if (!existsSync(folder)) continue;
        const { checks } = await verifyModel(folder);
        expect(checks.every(({ isRight }) => isRight)).toBe(true);
      }
      const parts = (await readdir(root)).filter((name) => name.endsWith(".part"));
      if (signal === "SIGTERM") expect(parts.filter((name) => name.includes("SIGTERM"))).toEqual([]);
    },
  );
});

describe("verify", () => {
  beforeAll(async () => {
    await depthwise(["compile", ...small, "-o", at("v"), "--weights-type", "f16"]);
  });

  interface Verified {
    readonly verified: boolean;
    readonly model: string;
    readonly checks: readonly { readonly what: string; readonly right: boolean; readonly found: string }[];
  }

  test("says what it looked at, and ends with 0", async () => {
    const ended = await depthwise(["verify", at("v"), "--json"]);
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    const { verified, checks } = json<Verified>(ended);
    expect(verified).toBe(true);
    expect(checks.filter(({ what }) => what.includes("output beside the reference"))).toHaveLength(2);
    const people = await depthwise(["verify", at("v", "model.wasm")]);
    expect(people.stdout).toMatch(/^ok +model\.wasm \(relaxed SIMD\): output beside the reference: differs by/m);
    expect(people.stdout).toMatch(/is what its certificate says$/m);
  });

  test("ends with 1 when a byte was changed", async () => {
    const file = at("v", "model.wasm");
    const bytes = await readFile(file);
    const changed = Buffer.from(bytes);
    changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 1;
    await writeFile(file, changed);
    const ended = await depthwise(["verify", at("v"), "--json"]);
    expect(ended.code).toBe(1);
    expect(json<Verified>(ended).verified).toBe(false);
    const people = await depthwise(["verify", at("v")]);
    expect([people.code, people.stdout.match(/^WRONG /gm)?.length ?? 0]).toEqual([1, expect.any(Number)]);
    expect(people.stdout).toMatch(/is NOT what its certificate says$/m);
    await writeFile(file, bytes);
  });

  test.each([
    ["nothing", [], 2],
    ["two things", ["a", "b"], 2],
    ["what is not there", ["nowhere"], 1],
  ])("of %s fails", async (_, args, code) => {
    expect((await depthwise(["verify", ...args, "--json"])).code).toBe(code);
  });
});
