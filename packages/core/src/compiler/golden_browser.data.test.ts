import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toFloat32 } from "../tensor.ts";
import { type BrowserSession, startBrowser } from "../testing/browser.ts";
import { goldenCase } from "../testing/golden_case.ts";
import { goldenNetworks } from "../testing/golden_networks.ts";
import { type RunRequest, type RunResult, runCompiled } from "../testing/run_compiled.ts";

const entry = new URL("../testing/run_compiled_in_page.ts", import.meta.url);
let browser: BrowserSession;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

/** Both builds of a golden network, with every tap kept; its floats are served to the page. */
function requestsOf(network: (typeof goldenNetworks)[number]): { requests: RunRequest[]; floats: Float32Array } {
  const { weights, input, expected } = goldenCase(network);
  const parts = [...[...weights.values()].map((numbers) => toFloat32(numbers)), input];
  const floats = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    floats.set(part, at);
    at += part.length;
  }
  const address = browser.serve(`${network.file}.bin`, new Uint8Array(floats.buffer));
  const { family, options } = network;
  const parameters = [...weights].map(([name, { shape }]) => [name, shape] as const);
  const keep = Object.keys(expected).filter((name) => name !== "output");
  const requests = (["relaxed", "plain"] as const).map((simd) => ({
    address,
    parameters,
    family,
    options,
    simd,
    keep,
  }));
  return { requests, floats };
}

/** `golden.data.test.ts` compares Node's results with the reference; here it is enough that they are the same bits. */
describe("golden networks, compiled in Chromium", () => {
  it.each(goldenNetworks)("$file gives Node's module and Node's bits, in a page and in a worker", async (network) => {
    const { requests, floats } = requestsOf(network);
    const inNode: RunResult[] = [];
    for (const request of requests) inNode.push(await runCompiled(request, floats));
    expect(inNode[0]?.module).not.toBe(inNode[1]?.module);
    expect(await browser.evaluate<RunResult[]>(entry, "runInPage", requests)).toEqual(inNode);
    expect(await browser.evaluate<RunResult[]>(entry, "runInWorker", requests)).toEqual(inNode);
  });
});
