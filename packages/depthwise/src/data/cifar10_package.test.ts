import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError } from "@depthwise/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readTar } from "./cifar10_package.ts";

let folder: string;
let archive: Uint8Array;
const files = { "package/a.txt": "hello", "package/deep/b.bin": "x".repeat(1500), "package/empty": "" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise tar "));
  await mkdir(join(folder, "package", "deep"), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  // The system's tar, in the format that npm writes.
  execFileSync("tar", ["--format=ustar", "-cf", "x.tar", "package"], { cwd: folder });
  archive = await readFile(join(folder, "x.tar"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("readTar", () => {
  test("gives the files of an archive that tar made", () => {
    const read = Object.fromEntries(
      [...readTar(archive)].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]),
    );
    expect(read).toEqual(files);
  });

  test("cut anywhere, is refused or lacks files, and never invents any", () => {
    for (let length = 0; length < archive.length; length += 97) {
      try {
        for (const [name, bytes] of readTar(archive.subarray(0, length))) {
          expect(Buffer.from(bytes).toString()).toBe(files[name as keyof typeof files]);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
  });
});
