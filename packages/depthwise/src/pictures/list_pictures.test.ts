import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listPictures } from "./list_pictures.ts";

const pngStart = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise list "));
  await Promise.all(["deep/er", "empty", ".hidden"].map((name) => mkdir(join(folder, name), { recursive: true })));
  const files: Record<string, string | Uint8Array> = {
    "b.jpg": "text, but its name says picture",
    "a space.PNG": "",
    "-dash.webp": "",
    "émoji 🐈.gif": "",
    "100% #1 'q' & $x?.jpeg": "",
    "no-extension": pngStart,
    "mislabelled.txt": pngStart,
    "notes.txt": "some notes",
    "BM.txt": "BMs are not always bitmaps",
    ".DS_Store": pngStart,
    ".hidden/c.jpg": "",
    "deep/er/d.tiff": "",
    "deep/Z.jpg": "",
    "deep/readme": "",
  };
  await Promise.all(Object.entries(files).map(([name, bytes]) => writeFile(join(folder, name), bytes)));
  await symlink("..", join(folder, "deep", "up"));
  await symlink("nowhere", join(folder, "deep", "broken.jpg"));
  await symlink(join("..", "b.jpg"), join(folder, "deep", "linked.jpg"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("listPictures", () => {
  test("walks folders in sorted order, takes pictures by name or content and reports the rest", async () => {
    const { files, skipped } = await listPictures([folder]);
    expect(files.map((file) => relative(folder, file))).toEqual([
      "-dash.webp",
      "100% #1 'q' & $x?.jpeg",
      "a space.PNG",
      "b.jpg",
      "deep/Z.jpg",
      "deep/er/d.tiff",
      "deep/linked.jpg",
      "mislabelled.txt",
      "no-extension",
      "émoji 🐈.gif",
    ]);
    expect(skipped.map(({ file, reason }) => [relative(folder, file), reason])).toEqual([
      ["BM.txt", "not a picture"],
      ["deep/broken.jpg", "a link to nothing"],
      ["deep/readme", "not a picture"],
      ["deep/up", "a link to a folder that it is in"],
      ["notes.txt", "not a picture"],
    ]);
  });

  test("lists what is given directly as it is given, in order: hidden, mislabelled, missing, twice", async () => {
    const given = [
      join(folder, "notes.txt"),
      join(folder, ".DS_Store"),
      join(folder, "gone.jpg"),
      join(folder, "b.jpg"),
    ];
    const paths = [...given, join(folder, "empty"), given[3]!];
    expect(await listPictures(paths)).toEqual({ files: [...given, given[3]!], skipped: [] });
  });

  test("walks a hidden folder that is given directly", async () => {
    expect((await listPictures([join(folder, ".hidden")])).files).toEqual([join(folder, ".hidden", "c.jpg")]);
  });

  test("finds nothing in nothing", async () => {
    expect(await listPictures([])).toEqual({ files: [], skipped: [] });
  });
});
