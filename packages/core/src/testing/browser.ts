import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { arch, platform } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium, type LaunchOptions, type Page } from "playwright-core";
import { build, defaultClientConditions } from "vite";

/** How a page is served. */
export interface BrowserOptions {
  /** Cross-origin isolated, so that SharedArrayBuffer exists: true when absent. */
  readonly isolated?: boolean;
  /** More command-line flags for Chromium. */
  readonly flags?: readonly string[];
  /** A folder for the profile, with caches on the disk as people's browsers have them. Without one, caches are small and in memory. */
  readonly profile?: string;
}

/** A page of a real Chromium that runs our sources. One a test file: `beforeAll` starts it, `afterAll` disposes of it. */
export interface BrowserSession extends AsyncDisposable {
  readonly page: Page;
  /** What the page wrote to its console and every error that nobody caught there. */
  readonly messages: readonly string[];
  /**
   * Bundles the TypeScript module at `entry` and calls its export `name` in the page.
   *
   * @param entry for example `new URL("./run_in_page.ts", import.meta.url)`
   * @param args what JSON holds, and typed arrays; so the result
   */
  evaluate<Result>(entry: URL, name: string, ...args: readonly unknown[]): Promise<Result>;
  /** Serves bytes to the page, for what is too large to pass as an argument; returns the address to fetch. */
  serve(name: string, bytes: Uint8Array, type?: string): string;
}

interface PageGlobals {
  callExport(address: string, name: string, args: readonly unknown[]): unknown;
}

/** `import()` stands here as text because the test runner rewrites it in functions that are sent to the page. */
const emptyPage = `<!doctype html><title>Depthwise</title>
<script>globalThis.callExport = async (address, name, args) => (await import(address))[name](...args);</script>`;

/** Starts Chromium, and a server on the loopback interface with an empty page. */
export async function startBrowser(options: BrowserOptions = {}): Promise<BrowserSession> {
  const files = new Map<string, ServedFile>([["/", { type: "text/html", bytes: emptyPage }]]);
  const { server, origin } = await listen(files, options.isolated ?? true);
  const { page, close } = await launch(options);
  const messages: string[] = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  await page.goto(origin);

  const bundled = new Map<string, Promise<string>>();
  return {
    page,
    messages,
    async evaluate<Result>(entry: URL, name: string, ...args: readonly unknown[]): Promise<Result> {
      const address = bundled.get(entry.href) ?? bundle(fileURLToPath(entry), `bundle${bundled.size}`, files);
      bundled.set(entry.href, address);
      return page.evaluate(
        ({ address, name, args }) => (globalThis as unknown as PageGlobals).callExport(address, name, args) as Result,
        { address: await address, name, args },
      );
    },
    serve(name, bytes, type = "application/octet-stream") {
      files.set(`/files/${name}`, { type, bytes });
      return `${origin}/files/${name}`;
    },
    async [Symbol.asyncDispose]() {
      await close();
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

interface ServedFile {
  readonly type: string;
  readonly bytes: Uint8Array | string;
}

async function listen(
  files: ReadonlyMap<string, ServedFile>,
  isolated: boolean,
): Promise<{ server: Server; origin: string }> {
  const isolation = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const file = files.get(pathname);
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": file.type, "cache-control": "no-store", ...(isolated ? isolation : {}) });
    response.end(file.bytes);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Bundles `entry` with its workers into `files`; returns the bundle's path. */
async function bundle(entry: string, folder: string, files: Map<string, ServedFile>): Promise<string> {
  const output = await build({
    configFile: false,
    envFile: false,
    publicDir: false,
    logLevel: "error",
    base: `/${folder}/`,
    resolve: { conditions: ["@depthwise/source", ...defaultClientConditions] },
    worker: { format: "es" },
    build: {
      write: false,
      minify: false,
      target: "esnext",
      modulePreload: false,
      rolldownOptions: { input: entry, preserveEntrySignatures: "strict" },
    },
  });
  const outputs = Array.isArray(output) ? output : "output" in output ? [output] : [];
  let path = "";
  for (const item of outputs.flatMap(({ output }) => output)) {
    const bytes = item.type === "chunk" ? item.code : item.source;
    files.set(`/${folder}/${item.fileName}`, { type: contentType(item.fileName), bytes });
    if (item.type === "chunk" && item.isEntry && item.facadeModuleId === entry) path = `/${folder}/${item.fileName}`;
  }
  if (path === "") throw new Error(`The bundle of ${basename(entry)} has no entry chunk.`);
  return path;
}

function contentType(fileName: string): string {
  if (fileName.endsWith(".js")) return "text/javascript";
  return fileName.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
}

/** Chromium with one page; `close` ends it. */
async function launch({
  flags = [],
  profile,
}: BrowserOptions): Promise<{ readonly page: Page; readonly close: () => Promise<void> }> {
  const installed = process.env.DEPTHWISE_CHROMIUM;
  const folder = installed ? undefined : await unpackChromium();
  const options: LaunchOptions = {
    executablePath: installed ?? join(folder ?? "", "chromium"),
    // LD_LIBRARY_PATH: the package carries the few libraries that a machine without a desktop lacks.
    env: folder ? { ...process.env, LD_LIBRARY_PATH: join(folder, "al2023", "lib") } : { ...process.env },
    args: [
      "--no-sandbox",
      "--headless",
      "--disable-gpu",
      "--disable-quic",
      "--disable-sync",
      "--disable-background-networking",
      "--disable-component-update",
      "--no-first-run",
      ...flags,
    ],
  };
  if (profile === undefined) {
    const browser = await chromium.launch(options);
    return { page: await browser.newPage(), close: () => browser.close() };
  }
  const context = await chromium.launchPersistentContext(profile, options);
  return { page: context.pages()[0] ?? (await context.newPage()), close: () => context.close() };
}

/**
 * Unpacks the Chromium that the npm package `@sparticuz/chromium` carries, once a version, beside the installed packages.
 * Test files may race here, and a run may be killed half-way: each unpacks into a folder of its own and moves it into place.
 */
async function unpackChromium(): Promise<string> {
  if (platform() !== "linux" || arch() !== "x64") {
    throw new Error(
      "Browser tests bring their own Chromium on 64-bit x86 Linux only. Set DEPTHWISE_CHROMIUM to an installed one.",
    );
  }
  const root = fileURLToPath(new URL("../../../../node_modules/", import.meta.url));
  const cache = join(root, ".cache");
  const carrier = join(root, "@sparticuz", "chromium");
  const { version } = JSON.parse(await readFile(join(carrier, "package.json"), "utf8")) as { version: string };
  const folder = join(cache, `chromium-${version}`);
  if (existsSync(folder)) return folder;

  await mkdir(cache, { recursive: true });
  const partial = await mkdtemp(join(cache, "partial-"));
  // The package unpacks into the folder for temporary files, so it runs in a process that has another one.
  const archives = ["chromium.br", "al2023.tar.br"].map((name) => join(carrier, "bin", name));
  const script = `
    import { inflate } from "@sparticuz/chromium";
    await Promise.all(${JSON.stringify(archives)}.map((archive) => inflate(archive)));`;
  await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: root,
    env: { ...process.env, TMPDIR: partial },
  });
  await rename(partial, folder).catch(async (error: unknown) => {
    await rm(partial, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  });
  return folder;
}
