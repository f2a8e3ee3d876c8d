import { join } from "node:path";
import { expect, test } from "vitest";
import { cachePath } from "./cache_folder.ts";

test("the cache lies where the variables say, else in the system's place", () => {
  expect(cachePath({ DEPTHWISE_CACHE: "here", XDG_CACHE_HOME: "there" }, "linux", "home")).toBe("here");
  expect(cachePath({ XDG_CACHE_HOME: "there" }, "darwin", "home")).toBe(join("there", "depthwise"));
  expect(cachePath({ DEPTHWISE_CACHE: "" }, "linux", "home")).toBe(join("home", ".cache", "depthwise"));
  expect(cachePath({}, "darwin", "home")).toBe(join("home", "Library", "Caches", "depthwise"));
  expect(cachePath({ LOCALAPPDATA: "local" }, "win32", "home")).toBe(join("local", "depthwise"));
});
