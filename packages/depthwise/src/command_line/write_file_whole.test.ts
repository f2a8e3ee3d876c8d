import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IoError } from "@depthwise/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkCanWrite, writeFileWhole } from "./write_file_whole.ts";

let folder: string;
const bytes = Uint8Array.of(1, 2, 3);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise write "));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe("writeFileWhole", () => {
  test("writes a file, and over one, and leaves nothing beside it", async () => {
    const file = join(folder, "new");
    await writeFileWhole(file, Uint8Array.of(9));
    await chmod(file, 0o600);
    await writeFileWhole(file, bytes);
    expect([...(await readFile(file))]).toEqual([1, 2, 3]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["new"]);
  });

  test("follows a link instead of replacing it", async () => {
    await writeFile(join(folder, "target"), "old");
    await symlink("target", join(folder, "link"));
    await writeFileWhole(join(folder, "link"), bytes);
    expect(await readlink(join(folder, "link"))).toBe("target");
    expect([...(await readFile(join(folder, "target")))]).toEqual([1, 2, 3]);
  });

  test("writes into a device as it is", async () => {
    await writeFileWhole("/dev/null", bytes);
    expect((await stat("/dev/null")).isCharacterDevice()).toBe(true);
  });

  test("takes its temporary file away when renaming fails, and says that nothing was written", async () => {
    // A name that fits while its temporary file's does not.
    const file = join(folder, "n".repeat(250));
    await expect(writeFileWhole(file, bytes)).rejects.toThrow(/nothing was written/);
    await expect(writeFileWhole(folder, bytes)).rejects.toThrow(IoError);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("checkCanWrite", () => {
  test("refuses a folder, and a file in a folder that is not there", async () => {
    await mkdir(join(folder, "sub"));
    await expect(checkCanWrite(join(folder, "file"))).resolves.toBeUndefined();
    await expect(checkCanWrite(join(folder, "sub"))).rejects.toThrow(/is a folder/);
    await expect(checkCanWrite(join(folder, "none", "file"))).rejects.toThrow(/none does not exist/);
  });
});
