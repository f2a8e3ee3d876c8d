import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { IoError } from "@depthwise/core";
import { expect, it } from "vitest";
import { temporaryFolder } from "../testing/packed_model.ts";
import { checkCanWriteFolder, writeFolder } from "./write_folder.ts";

const files = new Map([
  ["a.txt", new TextEncoder().encode("new a")],
  ["b.txt", new TextEncoder().encode("new b")],
]);

it("makes the folder, and those above it, readable to others", async () => {
  await using root = await temporaryFolder();
  const folder = join(root.path, "x", "y");
  await writeFolder(folder, files);
  expect(await readdir(folder)).toEqual(["a.txt", "b.txt"]);
  expect(await readdir(join(root.path, "x"))).toEqual(["y"]);
  expect((await stat(folder)).mode & 0o777).toBe(0o777 & ~process.umask());
});

it("replaces its own files, takes away the outdated ones, and leaves the others", async () => {
  await using root = await temporaryFolder();
  for (const name of ["a.txt", "old.txt", "mine.txt"]) await writeFile(join(root.path, name), "before");
  await writeFolder(root.path, files, ["a.txt", "b.txt", "old.txt"]);
  expect((await readdir(root.path)).sort()).toEqual(["a.txt", "b.txt", "mine.txt"]);
  expect(await readFile(join(root.path, "a.txt"), "utf8")).toBe("new a");
  expect(await readFile(join(root.path, "mine.txt"), "utf8")).toBe("before");
});

it("writes nothing if one file cannot be written", async () => {
  await using root = await temporaryFolder();
  const folder = join(root.path, "model");
  await mkdir(folder);
  await writeFile(join(folder, "a.txt"), "before");
  const impossible = new Map([...files, ["no/such/folder.txt", new Uint8Array(1)]]);
  await expect(writeFolder(folder, impossible)).rejects.toThrow(IoError);
  await expect(writeFolder(folder, impossible)).rejects.toThrow(/nothing was written/);
  expect(await readdir(root.path)).toEqual(["model"]);
  expect(await readFile(join(folder, "a.txt"), "utf8")).toBe("before");
});

it("refuses a file in the folder's place before any work", async () => {
  await using root = await temporaryFolder();
  await writeFile(join(root.path, "model"), "a file");
  await expect(checkCanWriteFolder(join(root.path, "model"))).rejects.toThrow(/expected a folder to write into/);
  await checkCanWriteFolder(root.path);
  await checkCanWriteFolder(join(root.path, "not yet there"));
});
