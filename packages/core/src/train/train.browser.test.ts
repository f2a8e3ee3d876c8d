import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrowserSession, startBrowser } from "../testing/browser.ts";
import type { TrainedInPage } from "../testing/train_in_page.ts";

const entry = new URL("../testing/train_in_page.ts", import.meta.url);
/** Pictures of an epoch, and epochs: some twenty seconds of an idle core. */
const [pictures, epochs] = [8_000, 4];

let browser: BrowserSession;
beforeAll(async () => {
  browser = await startBrowser();
}, 120_000);
afterAll(() => browser[Symbol.asyncDispose]());

describe("training on shapes in Chromium", () => {
  test("reaches over 95 % in a worker, and the trained network runs there", async () => {
    const { records, logits } = await browser.evaluate<TrainedInPage>(entry, "trainOnShapesInWorker", pictures, epochs);
    expect(records).toHaveLength(epochs);
    expect(records.at(-1)?.validationTop1).toBeGreaterThan(0.95);
    expect(logits).toHaveLength(10);
    expect(logits.every(Number.isFinite)).toBe(true);
  }, 280_000);

  test("on the page itself it lets the page live, and two threads give the numbers of one", async () => {
    const [one, two] = [
      await browser.evaluate<TrainedInPage>(entry, "trainOnShapes", 640, 1, 1),
      await browser.evaluate<TrainedInPage>(entry, "trainOnShapes", 640, 1, 2),
    ];
    expect(one.turns).toBeGreaterThan(3);
    expect(two.records[0]?.trainLoss).toBe(one.records[0]?.trainLoss);
    expect(two.logits).toEqual(one.logits);
    expect(browser.messages).toEqual([]);
  }, 120_000);
});
