import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build as esbuild } from "esbuild";
import { rollup } from "rollup";
import { build as vite } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import webpack from "webpack";
import { type BrowserSession, startBrowser } from "../../../core/src/testing/browser.ts";
import { freshPage } from "../testing/fresh_page.ts";
import { libraryResult, usageText } from "../testing/model_usage.ts";
import { packSmall, type TemporaryFolder, temporaryFolder, writeFiles } from "../testing/packed_model.ts";
import { isolation, serveFolder } from "../testing/static_server.ts";

let browser: BrowserSession;
let root: TemporaryFolder;

/** Forms of a model; the files that a bundler may leave to its user. */
const forms = {
  whole: { options: {}, beside: ["model.wasm", "model.plain.wasm"] },
  threads: {
    options: { split: true, threads: 2 },
    beside: ["model.wasm", "model.plain.wasm", "model.weights", "model.worker.mjs"],
  },
  single: { options: { single: true }, beside: [] },
} as const;

type Form = keyof typeof forms;

beforeAll(async () => {
  root = await temporaryFolder();
  for (const form of Object.keys(forms) as Form[]) {
    const model = join(root.path, form, "model");
    await mkdir(model, { recursive: true });
    await writeFiles(model, await packSmall(forms[form].options));
    await writeFiles(
      join(root.path, form),
      new Map([
        [
          "main.js",
          `import { createModel } from "./model/model.mjs";\n${usageText}\nglobalThis.result = createModel().then(use);`,
        ],
        ["index.html", `<!doctype html><title>Model</title><script type="module" src="./main.js"></script>`],
        ["package.json", '{ "type": "module" }'],
      ]),
    );
  }
  browser = await startBrowser();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await root[Symbol.asyncDispose]();
});

/** Builds the project of a form for production, into a folder with an `index.html`. */
const bundlers: Readonly<Record<string, (form: Form, project: string, out: string) => Promise<void>>> = {
  async Vite(_, project, out) {
    await vite({
      root: project,
      configFile: false,
      envFile: false,
      logLevel: "error",
      worker: { format: "es" },
      build: { outDir: out },
    });
  },
  async webpack(_, project, out) {
    const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) =>
      webpack(
        {
          mode: "production",
          context: project,
          entry: "./main.js",
          experiments: { outputModule: true },
          output: { path: out, filename: "main.js", module: true },
          performance: { hints: false }, // weights are large
          cache: false,
        },
        (error, stats) => (error ? reject(error) : resolve(stats)),
      ),
    );
    if (stats?.hasErrors() || stats?.hasWarnings()) throw new TypeError(stats.toString());
    await writeFile(join(out, "index.html"), '<!doctype html><script type="module" src="main.js"></script>');
  },
  async esbuild(form, project, out) {
    const entryPoints = [join(project, "main.js")];
    await esbuild({ entryPoints, outdir: out, bundle: true, minify: true, format: "esm", logLevel: "error" });
    await finish(form, project, out);
  },
  async Rollup(form, project, out) {
    const bundle = await rollup({ input: join(project, "main.js"), onwarn: (warning) => expect.fail(warning.message) });
    await bundle.write({ dir: out, format: "es" });
    await bundle.close();
    await finish(form, project, out);
  },
};

/** What the README says to do with bundlers that do not follow `new URL`. */
async function finish(form: Form, project: string, out: string): Promise<void> {
  for (const file of forms[form].beside) await copyFile(join(project, "model", file), join(out, file));
  await writeFile(join(out, "index.html"), '<!doctype html><script type="module" src="main.js"></script>');
}

describe.each(Object.keys(bundlers))("a production build of %s", (name) => {
  it.each(Object.keys(forms) as Form[])("with the model %s gives Node's bits in Chromium", async (form) => {
    const out = join(root.path, `${name}-${form}`);
    await bundlers[name]?.(form, join(root.path, form), out);
    await using server = await serveFolder(out, { headers: isolation });
    await using fresh = await freshPage(browser.page);
    const { page } = fresh;
    await page.goto(`${server.origin}/index.html`);
    const result = await page.evaluate(() => (globalThis as unknown as { result: Promise<unknown> }).result);
    expect(result).toEqual({ ...(await libraryResult()), threads: form === "threads" ? 2 : 1 });
  });
});
