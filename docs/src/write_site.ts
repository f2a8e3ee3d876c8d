/** Writes `docs/site`, which VitePress makes the site of. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expandSite } from "./site.ts";

const folder = fileURLToPath(new URL("../site/", import.meta.url));

function write(path: string, text: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const { pages, figures } = await expandSite();
rmSync(folder, { recursive: true, force: true });
for (const [path, text] of pages) write(path, text);
for (const [path, svg] of figures) write(join("public", path), svg);
console.log(`${pages.size} pages, ${figures.size} pictures`);
