import { afterAll, beforeAll, expect, test } from "vitest";
import { type BrowserSession, startBrowser } from "./browser.ts";
import { type Platform, probePlatform } from "./platform.ts";

const entry = new URL("./platform.ts", import.meta.url);
let browser: BrowserSession;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

test("Chromium has relaxed SIMD and shared memory, as Node has", async () => {
  const inPage = await browser.evaluate<Platform>(entry, "probePlatform");
  expect(inPage).toEqual({ relaxedSimd: true, sharedMemory: true, waits: true });
  expect(probePlatform()).toEqual(inPage);
  expect(await browser.page.evaluate(() => crossOriginIsolated)).toBe(true);
});

test("typed arrays travel into the page and back", async () => {
  const values = Float32Array.of(0.1, -0, 1e-40, Number.POSITIVE_INFINITY);
  expect(await browser.evaluate(entry, "doubled", values)).toEqual(values.map((value) => 2 * value));
});

test("the page fetches what the session serves", async () => {
  const address = browser.serve("three.bin", Uint8Array.of(1, 2, 3));
  const received = await browser.page.evaluate(async (url) => [...(await (await fetch(url)).bytes())], address);
  expect(received).toEqual([1, 2, 3]);
});

test("a page that is not isolated has no shared memory", async () => {
  const plain = await startBrowser({ isolated: false });
  try {
    expect(await plain.page.evaluate(() => [crossOriginIsolated, typeof SharedArrayBuffer])).toEqual([
      false,
      "undefined",
    ]);
  } finally {
    await plain[Symbol.asyncDispose]();
  }
});
