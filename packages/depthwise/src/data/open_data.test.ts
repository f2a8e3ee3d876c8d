import { chmod, link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, IoError, OptionError } from "@depthwise/core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DataSet, type PictureFiles, type PictureSet, summarizeData } from "./data_set.ts";
import { openData } from "./open_data.ts";

let root: string;
let png: Buffer;
let folders = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "depthwise data "));
  png = await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
    .png()
    .toBuffer();
});

afterAll(async () => {
  await rm(root, { recursive: true });
});

/** A folder with so many pictures in each of the named folders; with text under other names. */
async function folderOf(contents: { readonly [name: string]: number | string }): Promise<string> {
  const folder = join(root, String(folders++));
  await mkdir(folder);
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, name);
    if (typeof content === "string") {
      await mkdir(join(path, ".."), { recursive: true });
      await writeFile(path, content);
      continue;
    }
    await mkdir(path, { recursive: true });
    for (let i = 0; i < content; i++) await writeFile(join(path, `${i}.png`), png);
  }
  return folder;
}

function filesOf(set: PictureSet | undefined, folder: string): string[] {
  return (set as PictureFiles).files.map((file) => file.slice(folder.length + 1));
}

function countsOf(data: DataSet): Record<string, number[]> {
  const { classes } = summarizeData(data);
  return Object.fromEntries(classes.map(({ label, ...counts }) => [label, Object.values(counts)]));
}

describe("a folder with a folder a class", () => {
  test("is sorted by label, split by seed and class, and every picture is in one part", async () => {
    const folder = await folderOf({ dog: 20, "Äpfel & 'more' 🐈": 7, cat: 10 });
    const data = await openData(folder, { seed: 3 });
    expect(data.labels).toEqual(["cat", "dog", "Äpfel & 'more' 🐈"]);
    expect(countsOf(data)).toEqual({ cat: [8, 2, 0], dog: [17, 3, 0], "Äpfel & 'more' 🐈": [6, 1, 0] });
    expect([data.validationFrom, data.test, data.skipped, data.warnings]).toEqual(["split", undefined, [], []]);
    const all = [...filesOf(data.train, folder), ...filesOf(data.validation, folder)];
    expect(new Set(all).size).toBe(37);
    for (const set of [data.train, data.validation as PictureSet]) {
      for (const [i, file] of filesOf(set, folder).entries()) {
        expect(file.startsWith(`${data.labels[set.classes[i]!]}/`)).toBe(true);
      }
    }
    const again = await openData(folder, { seed: 3 });
    expect(filesOf(again.validation, folder)).toEqual(filesOf(data.validation, folder));
    const other = await openData(folder, { seed: 4 });
    expect(filesOf(other.validation, folder)).not.toEqual(filesOf(data.validation, folder));
  });

  test("takes the share that is asked for, none too", async () => {
    const folder = await folderOf({ a: 10, b: 4 });
    expect(countsOf(await openData(folder, { validationShare: 0.5 }))).toEqual({ a: [5, 5, 0], b: [2, 2, 0] });
    const whole = await openData(folder, { validationShare: 0 });
    expect([whole.train.length, whole.validation, whole.validationFrom]).toEqual([14, undefined, "none"]);
    await expect(openData(folder, { validationShare: 1 })).rejects.toThrow(OptionError);
  });

  test("reports what is no picture, passes over hidden things, and finds pictures in folders below", async () => {
    const folder = await folderOf({
      "a/deeper/still": 3,
      b: 2,
      "b/notes.txt": "no picture",
      ".cache": 5,
      "README.md": "about",
    });
    const data = await openData(folder);
    expect(data.labels).toEqual(["a", "b"]);
    expect(data.train.length + (data.validation?.length ?? 0)).toBe(5);
    expect(data.skipped).toEqual([{ file: join(folder, "b", "notes.txt"), reason: "not a picture" }]);
  });

  test("leaves out an empty class and tells of it, and of a class with one picture", async () => {
    const data = await openData(await folderOf({ a: 10, b: 1, empty: 0 }));
    expect(countsOf(data)).toEqual({ a: [8, 2, 0], b: [1, 0, 0] });
    expect(data.warnings).toEqual([
      "Classes without pictures are left out: empty.",
      "Classes with a single training picture: b.",
      "Classes without validation pictures: b.",
      expect.stringMatching(/^The largest class has 8\.0 times as many training pictures as the smallest/),
    ]);
    expect(summarizeData(data).imbalance).toBe(8);
  });

  test("goes through links, but not in circles", async () => {
    const folder = await folderOf({ a: 2, b: 2, "elsewhere/c": 2 });
    const outside = await folderOf({ pictures: 3 });
    await symlink(join(outside, "pictures"), join(folder, "linked"));
    await symlink(folder, join(folder, "a", "circle"));
    await symlink(join(folder, "nowhere"), join(folder, "broken"));
    const data = await openData(folder, { validationShare: 0 });
    expect(data.labels).toEqual(["a", "b", "elsewhere", "linked"]);
    // Through the circle, class a sees the others once more; the second round is cut.
    expect(data.skipped.some(({ reason }) => reason === "a link to a folder that it is in")).toBe(true);
  });

  test("tells of a class folder that cannot be read, and uses the others", async () => {
    const folder = await folderOf({ a: 2, b: 2, locked: 2 });
    await chmod(join(folder, "locked"), 0);
    const isReadable = process.getuid?.() === 0; // root reads everything
    const data = await openData(folder);
    expect(data.labels).toEqual(isReadable ? ["a", "b", "locked"] : ["a", "b"]);
    expect(data.skipped.length).toBe(isReadable ? 0 : 1);
    await chmod(join(folder, "locked"), 0o700);
  });
});

describe("train, val and test", () => {
  test.each(["val", "valid", "validation", "Validation"])("are taken as they are (%s)", async (validation) => {
    const folder = await folderOf({
      "train/a": 3,
      "train/b": 4,
      [`${validation}/a`]: 2,
      [`${validation}/b`]: 1,
      "test/a": 1,
      "test/b": 5,
    });
    const data = await openData(folder);
    expect(countsOf(data)).toEqual({ a: [3, 2, 1], b: [4, 1, 5] });
    expect([data.validationFrom, data.warnings]).toEqual(["data", []]);
    expect(filesOf(data.test, folder)[0]).toBe("test/a/0.png");
  });

  test("without val, a share of train is put apart", async () => {
    const data = await openData(await folderOf({ "train/a": 10, "train/b": 10, "test/a": 4, "test/b": 4 }));
    expect(countsOf(data)).toEqual({ a: [8, 2, 4], b: [8, 2, 4] });
    expect(data.validationFrom).toBe("split");
  });

  test("number classes alike, and tell of one that is never trained", async () => {
    const data = await openData(await folderOf({ "train/a": 2, "train/c": 2, "val/b": 1, "val/c": 1 }));
    expect(data.labels).toEqual(["a", "b", "c"]);
    expect([...data.train.classes]).toEqual([0, 0, 2, 2]);
    expect([...(data.validation as PictureSet).classes]).toEqual([1, 2]);
    expect(data.warnings).toEqual(["Classes without training pictures: b.", "Classes without validation pictures: a."]);
  });

  test("beside class folders are refused", async () => {
    const folder = await folderOf({ "train/a": 1, "train/b": 1, dog: 2 });
    await expect(openData(folder)).rejects.toThrow("beside train/ there are folders that are no split: dog");
  });
});

describe("a CSV", () => {
  test("gives paths beside it, labels and splits; quotes, blank lines and a byte order mark are understood", async () => {
    const folder = await folderOf({
      "data.csv":
        '\ufeffPath,label,split,note\n"x/1, 2.png",cat,train,\r\n\nx/3.png,"big ""dog""",,first\nx/4.png,cat,VAL,\n/abs/5.png,cat,test,\n',
    });
    const data = await openData(join(folder, "data.csv"));
    expect(data.labels).toEqual(['big "dog"', "cat"]);
    expect(filesOf(data.train, folder)).toEqual(["x/1, 2.png", "x/3.png"]);
    expect([...data.train.classes]).toEqual([1, 0]);
    expect(filesOf(data.validation, folder)).toEqual(["x/4.png"]);
    expect((data.test as PictureFiles).files).toEqual(["/abs/5.png"]);
  });

  test("without a column split is split by seed", async () => {
    const lines = Array.from({ length: 40 }, (_, i) => `${i}.png,${i % 2 === 0 ? "even" : "odd"}`);
    const folder = await folderOf({ "data.csv": `path,label\n${lines.join("\n")}` });
    const data = await openData(join(folder, "data.csv"));
    expect(countsOf(data)).toEqual({ even: [17, 3, 0], odd: [17, 3, 0] });
  });

  test.each([
    ["a column is missing", "file,label\na,b\n", 'with the column "path" but received file,label'],
    ["a label is empty", "path,label\na,b\nc,\n", "line 3: the label is empty"],
    [
      "the split is none",
      "path,label,split\na,b,later\n",
      'line 2: expected the split train, val or test but received "later"',
    ],
    ["a line is too short", "path,label\na,b\nc\n", "data.csv: Invalid Record Length"],
    ["a quote is left open", 'path,label\n"a,b\n', "data.csv: Quote Not Closed"],
    ["there is one class", "path,label\na,b\n", 'at least two classes but found only those of "b"'],
    ["it is empty", "", "at least two classes but found none"],
    ["nothing is for training", "path,label,split\na,b,val\na,c,val\n", "no line is for training"],
  ])("is refused when %s", async (_, text, message) => {
    const file = join(await folderOf({ "data.csv": text }), "data.csv");
    await expect(openData(file)).rejects.toThrow(FormatError);
    await expect(openData(file)).rejects.toThrow(message);
    await expect(openData(file)).rejects.toMatchObject({ file });
  });
});

describe("openData refuses", () => {
  test("what is not there, and what is neither folder nor CSV", async () => {
    await expect(openData(join(root, "missing"))).rejects.toThrow(IoError);
    await expect(openData("cifar11")).rejects.toMatchObject({ hint: expect.stringContaining("cifar10 or shapes") });
    const folder = await folderOf({ "data.json": "{}" });
    await expect(openData(join(folder, "data.json"))).rejects.toThrow(OptionError);
  });

  test("a folder of pictures without class folders, one class only, and classes all empty", async () => {
    const flat = await folderOf({ "1.png": "" });
    await expect(openData(flat)).rejects.toThrow("expected one folder a class but there are no folders in it");
    const single = await folderOf({ only: 3, empty: 0 });
    await expect(openData(single)).rejects.toThrow('at least two classes but found only those of "only"');
    await expect(openData(await folderOf({ a: 0, b: 0 }))).rejects.toThrow("at least two classes but found none");
  });

  test("to go on after its signal", async () => {
    const folder = await folderOf({ a: 1, b: 1 });
    await expect(openData(folder, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
  });
});

describe("labels of a network", () => {
  test("number the classes, also of data that lacks some", async () => {
    const folder = await folderOf({ cat: 2, dog: 3 });
    const data = await openData(folder, { labels: ["dog", "bird", "cat"], validationShare: 0 });
    expect(data.labels).toEqual(["dog", "bird", "cat"]);
    expect([...data.train.classes]).toEqual([2, 2, 0, 0, 0]);
  });

  test("that lack a class of the data are refused, naming it", async () => {
    const folder = await folderOf({ cat: 2, dog: 3 });
    const refusal = openData(folder, { labels: ["cat", "bird"] });
    await expect(refusal).rejects.toThrow("classes that the network does not know: dog");
    await expect(refusal).rejects.toMatchObject({ hint: "The network's classes are cat, bird." });
  });
});

describe("shapes", () => {
  test("are drawn when they are asked for, in three parts", async () => {
    const data = await openData("shapes", { seed: 2, resolution: 16 });
    expect([data.name, data.validationFrom, data.labels.length]).toEqual(["shapes", "data", 10]);
    expect(data.test).toMatchObject({ kind: "memory", length: 1000, size: [16, 16] });
    expect(data.test).toBe(data.test);
    expect(data.validation?.length).toBe(1000);
  });
});

test("a hundred thousand files are listed in seconds", async () => {
  const folder = await folderOf({ a: 1, b: 1 });
  const names = Array.from({ length: 50_000 }, (_, i) => `${i}.jpg`);
  for (const label of ["a", "b"]) {
    const [source, target] = [join(folder, label, "0.png"), join(folder, label)];
    for (let from = 0; from < names.length; from += 500) {
      await Promise.all(names.slice(from, from + 500).map((name) => link(source, join(target, name))));
    }
  }
  const data = await openData(folder);
  expect([data.train.length, data.validation?.length]).toEqual([85_002, 15_000]);
}, 120_000);
