import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BrowserSession, startBrowser } from "../../../core/src/testing/browser.ts";
import { type FreshPage, freshPage } from "../testing/fresh_page.ts";
import { libraryResult, usageText } from "../testing/model_usage.ts";
import { packSmall, type TemporaryFolder, temporaryFolder, writeFiles } from "../testing/packed_model.ts";
import { isolation, type ServeOptions, type StaticServer, serveFolder } from "../testing/static_server.ts";
import type { StandaloneModel } from "./runtime/runtime.ts";

let browser: BrowserSession;
let root: TemporaryFolder;

const page = (script: string): string =>
  `<!doctype html><title>Model</title><script type="module" src="${script}"></script>`;

/** Runs the model in a worker of whatever kind, and answers. */
const workerText = `
import { createModel } from "./model.mjs";
const answer = async (to) => to.postMessage(await createModel().then(use, (error) => ({ error: String(error) })));
${usageText}
if (globalThis.ServiceWorkerGlobalScope) addEventListener("message", ({ source }) => answer(source));
else answer(globalThis);
`;

const scripts = new Map([
  ["page.html", page("./page.mjs")],
  [
    "page.mjs",
    `import { createModel } from "./model.mjs";\n${usageText}\nObject.assign(globalThis, { createModel, result: createModel().then(use) });`,
  ],
  ["worker.html", page("./worker_page.mjs")],
  [
    "worker_page.mjs",
    `globalThis.result = new Promise((resolve, reject) => {
      const worker = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = reject;
    });`,
  ],
  ["worker.mjs", workerText],
  ["service.html", page("./service_page.mjs")],
  [
    "service_page.mjs",
    `globalThis.result = new Promise((resolve) => {
      navigator.serviceWorker.onmessage = ({ data }) => resolve(data);
      navigator.serviceWorker.register("./worker.mjs", { type: "module" });
      navigator.serviceWorker.ready.then(({ active }) => active.postMessage("run"));
    });`,
  ],
]);

const folders = { whole: {}, split: { split: true, threads: 2 }, single: { single: true, threads: 2 } } as const;

beforeAll(async () => {
  root = await temporaryFolder();
  for (const [name, options] of Object.entries(folders)) {
    await mkdir(join(root.path, name));
    await writeFiles(join(root.path, name), await packSmall({ ...options, page: name === "whole" }));
    await writeFiles(join(root.path, name), scripts);
  }
  browser = await startBrowser({ flags: ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] });
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await root[Symbol.asyncDispose]();
});

interface Visit extends FreshPage {
  readonly server: StaticServer;
}

async function visit(folder: keyof typeof folders, file: string, options: ServeOptions = {}): Promise<Visit> {
  const server = await serveFolder(join(root.path, folder), options);
  const fresh = await freshPage(browser.page);
  await fresh.page.goto(`${server.origin}/${file}`);
  return {
    ...fresh,
    server,
    async [Symbol.asyncDispose]() {
      await fresh[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function resultOf(page: Page): Promise<unknown> {
  return page.evaluate(() => (globalThis as unknown as { result: Promise<unknown> }).result);
}

const noFavicon = (message: string): boolean => !message.includes("404");

describe("in Chromium, from a static server", () => {
  it.each(["page.html", "worker.html", "service.html"])("%s gives Node's bits, whichever the form", async (file) => {
    for (const folder of ["whole", "split", "single"] as const) {
      await using visited = await visit(folder, file);
      expect(await resultOf(visited.page), folder).toEqual({ ...(await libraryResult()), threads: 1 });
    }
  });

  it("classifies everything that a canvas can draw as it classifies its bytes", async () => {
    await using visited = await visit("whole", "page.html");
    const labels = await visited.page.evaluate(async () => {
      const { createModel } = globalThis as unknown as { createModel: () => Promise<StandaloneModel> };
      const model = await createModel();
      const canvas = Object.assign(document.createElement("canvas"), { width: 50, height: 40 });
      const context = canvas.getContext("2d") as CanvasRenderingContext2D;
      for (let i = 0; i < 50; i++) {
        context.fillStyle = `rgb(${5 * i} ${(37 * i) % 256} ${255 - 4 * i})`;
        context.fillRect(i, 0, 1, 40);
      }
      const offscreen = new OffscreenCanvas(50, 40);
      offscreen.getContext("2d")?.drawImage(canvas, 0, 0);
      const image = new Image(7, 7); // its own size counts, not the one it is shown in
      image.src = canvas.toDataURL("image/png");
      await image.decode();
      const video = document.createElement("video");
      video.srcObject = canvas.captureStream();
      video.muted = true;
      document.body.append(video);
      const shown = new Promise((resolve) => video.addEventListener("playing", resolve));
      const frames = setInterval(() => context.fillRect(49, 0, 1, 40), 20); // a stream has frames when its canvas is painted
      await video.play();
      await shown;
      clearInterval(frames);
      const lossless = [context.getImageData(0, 0, 50, 40), canvas, offscreen, image, await createImageBitmap(canvas)];
      const frame = new VideoFrame(canvas, { timestamp: 0 });
      return {
        same: lossless.map((picture) => JSON.stringify(model.classify(picture))),
        alike: [video, frame].map((picture) => model.classify(picture).length),
        unready: (() => {
          try {
            return model.classify(document.createElement("video"));
          } catch (error) {
            return String(error);
          }
        })(),
      };
    });
    expect(new Set(labels.same).size).toBe(1);
    expect(labels.alike).toEqual([5, 5]);
    expect(labels.unready).toBe("TypeError: The picture has no pixels yet.");
  });

  it("fetches the code and the weights once, and nothing else", async () => {
    await using visited = await visit("split", "page.html");
    await resultOf(visited.page);
    const files = visited.server.requests.filter((path) => path !== "/favicon.ico").sort();
    expect(files).toEqual(["/model.mjs", "/model.wasm", "/model.weights", "/page.html", "/page.mjs"]);
  });

  it("runs where the server does not know the type of .wasm", async () => {
    await using visited = await visit("whole", "page.html", { wasmType: "application/octet-stream" });
    expect(await resultOf(visited.page)).toEqual({ ...(await libraryResult()), threads: 1 });
  });

  it("runs on two threads where the page is isolated, in a worker too", async () => {
    for (const folder of ["split", "single"] as const) {
      for (const file of ["page.html", "worker.html"]) {
        await using visited = await visit(folder, file, { headers: isolation });
        expect(await resultOf(visited.page), `${folder} ${file}`).toEqual({ ...(await libraryResult()), threads: 2 });
      }
    }
  });
});

describe("under a strict content security policy", () => {
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'";

  it.each([
    ["whole", `${policy}; connect-src 'self'`, {}, 1],
    ["split", `${policy}; connect-src 'self'`, isolation, 2],
    ["single", policy, {}, 1],
    ["single", policy, isolation, 1], // its worker is a blob, which the policy forbids
  ] as const)("%s runs with %s", async (folder, csp, headers, threads) => {
    await using visited = await visit(folder, "page.html", { headers: { "content-security-policy": csp, ...headers } });
    expect(await resultOf(visited.page)).toEqual({ ...(await libraryResult()), threads });
    const refused = visited.messages.filter(noFavicon).filter((message) => !/favicon|blob:/.test(message));
    expect(refused).toEqual([]);
  });
});

describe("the demo page, from a file and offline", () => {
  const picture = sharp({ create: { width: 9, height: 7, channels: 3, background: "#fa3" } }).png();

  async function openDemo(viewport: { width: number; height: number }): Promise<FreshPage> {
    const fresh = await freshPage(browser.page);
    await fresh.page.setViewportSize(viewport);
    await fresh.page.context().setOffline(true);
    await fresh.page.goto(pathToFileURL(join(root.path, "whole", "demo.html")).href);
    await fresh.page.getByText("Ready.").waitFor();
    return fresh;
  }

  it.each([
    { width: 320, height: 640 },
    { width: 1280, height: 800 },
  ])("classifies a picture that is chosen, at $width pixels, within its policy", async (viewport) => {
    await using opened = await openDemo(viewport);
    const { page: demo, messages } = opened;
    await demo
      .getByLabel("Choose a picture")
      .setInputFiles({ name: "x.png", mimeType: "image/png", buffer: await picture.toBuffer() });
    await demo.locator("#scores li").first().waitFor();
    expect(await demo.locator("#scores li").count()).toBe(5);
    expect(await demo.locator("#time").textContent()).toMatch(/^\d+\.\d ms, picture to classes$/);
    const overflow = await demo.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    await demo
      .getByLabel("Choose a picture")
      .setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.alloc(9) });
    await demo.getByText("This browser cannot read that file as a picture.").waitFor();
    expect(messages).toEqual([]);
  });

  it("classifies what is dropped, and what the camera sees, until it is stopped", async () => {
    await using opened = await openDemo({ width: 800, height: 600 });
    const { page: demo, messages } = opened;
    await demo.evaluate(async () => {
      const canvas = new OffscreenCanvas(3, 3);
      canvas.getContext("2d")?.fillRect(0, 0, 2, 2);
      const data = new DataTransfer();
      data.items.add(new File([await canvas.convertToBlob()], "x.png", { type: "image/png" }));
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    });
    await demo.locator("#scores li").first().waitFor();
    const camera = demo.getByRole("button", { name: "Use the camera" });
    await camera.click();
    const stop = demo.getByRole("button", { name: "Stop the camera" });
    await stop.waitFor();
    await demo.waitForFunction(() => document.querySelector("video")?.videoWidth);
    const first = await demo.locator("#time").textContent();
    await demo.waitForFunction((text) => document.getElementById("time")?.textContent !== text, first);
    await stop.click();
    await camera.waitFor();
    expect(messages).toEqual([]);
  });
});
