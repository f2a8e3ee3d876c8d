import { afterAll, beforeAll, expect, it } from "vitest";
import { type BrowserSession, startBrowser } from "../testing/browser.ts";
import type { LabInPage } from "../testing/labs_in_page.ts";
import { labNames } from "./lab.ts";
import { runManifold } from "./manifold_lab.ts";

const entry = new URL("../testing/labs_in_page.ts", import.meta.url);
const device = { processor: "page", engine: "Chromium", threads: 2, version: "0.0.0", date: "2026-01-02T03:04:05Z" };
let browser: BrowserSession;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

it("every lab runs in a page, on one thread and on two", { timeout: 120_000 }, async () => {
  const labs = await browser.evaluate<readonly LabInPage[]>(entry, "runLabsInPage", device);
  expect(labs.map(({ lab }) => lab)).toEqual(labNames);
  for (const { page, figures } of labs) {
    expect(page).toMatch(/^<!doctype html>/);
    expect(figures.length).toBeGreaterThan(0);
  }
  const guidelines = labs[0]?.figures.map(({ id }) => id) ?? [];
  expect(guidelines.filter((id) => id.includes("/2 threads/")).length).toBeGreaterThan(0);

  // What is computed and not timed is the same as in Node. Engines may round a sine differently in the last bit.
  const here = await runManifold({ device, seeds: 3, dimensions: [2, 15] });
  const there = new Map(labs.find(({ lab }) => lab === "manifold")?.figures.map(({ id, value }) => [id, value]));
  for (const { id, value } of here.figures) expect(there.get(id)).toBeCloseTo(value, 6);

  // The page that a lab writes is shown without a message of the browser, and nothing hangs over its edge on a phone.
  await browser.page.setViewportSize({ width: 390, height: 800 });
  for (const { page, lab } of labs) {
    await browser.page.setContent(page);
    const overhang = await browser.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return scrollWidth - clientWidth;
    });
    expect([lab, overhang]).toEqual([lab, 0]);
  }
  expect(browser.messages).toEqual([]);
});
