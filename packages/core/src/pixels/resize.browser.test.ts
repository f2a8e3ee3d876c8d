import { afterAll, beforeAll, expect, test } from "vitest";
import { type BrowserSession, startBrowser } from "../testing/browser.ts";
import { resizeGoldens } from "../testing/resize_goldens.ts";
import { preprocessedSha256s } from "../testing/resize_in_page.ts";

const entry = new URL("../testing/resize_in_page.ts", import.meta.url);
let browser: BrowserSession;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

test("Chromium resizes every golden picture to Pillow's bytes", async () => {
  const hashes = await browser.evaluate<string[]>(entry, "resizedSha256s", resizeGoldens);
  expect(Object.fromEntries(resizeGoldens.map(({ name }, i) => [name, hashes[i]]))).toEqual(
    Object.fromEntries(resizeGoldens.map(({ name, sha256 }) => [name, sha256])),
  );
});

test("Chromium preprocesses to the same float32 values as Node, with every preset", async () => {
  const inPage = await browser.evaluate<Record<string, string>>(entry, "preprocessedSha256s");
  expect(inPage).toEqual(await preprocessedSha256s());
});
