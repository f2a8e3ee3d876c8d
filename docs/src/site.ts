import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { directives } from "./directives.ts";

/** Where pages may put pictures. */
export interface Figures {
  /** Keeps a picture, and gives the address that a page shows it by. */
  add(name: string, svg: string): string;
}

/** The site before VitePress: Markdown pages and pictures, by their paths in it. */
export interface Site {
  /** `families/igcv2.md`. */
  readonly pages: ReadonlyMap<string, string>;
  /** `figures/igcv2-stage1-unit1.svg`. */
  readonly figures: ReadonlyMap<string, string>;
}

/** The folder `docs/content`. */
export const contentFolder = fileURLToPath(new URL("../content/", import.meta.url));

/** Paths of the pages in `content/`. */
export function pagePaths(): readonly string[] {
  return readdirSync(contentFolder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".md"))
    .sort();
}

/** Every page with its directives carried out. */
export async function expandSite(): Promise<Site> {
  const figures = new Map<string, string>();
  const pages = new Map<string, string>();
  const keep: Figures = {
    add(name, svg) {
      const path = `figures/${name.replaceAll(/[^\w.]+/g, "-")}.svg`;
      figures.set(path, svg);
      return `/${path}`;
    },
  };
  for (const path of pagePaths()) {
    pages.set(path, await expandPage(path, readFileSync(join(contentFolder, path), "utf8"), keep));
  }
  return { pages, figures };
}

const directive = /<!-- ([a-z_]+)((?: [^\s>]+)*) -->/g;

/** A page with its directives carried out. */
async function expandPage(path: string, content: string, figures: Figures): Promise<string> {
  let expanded = "";
  let end = 0;
  for (const match of content.matchAll(directive)) {
    const [whole, name = "", words = ""] = match;
    const carryOut = directives[name];
    if (carryOut === undefined) throw new Error(`${path}: there is no directive "${name}".`);
    expanded += content.slice(end, match.index);
    expanded += await carryOut(
      words.split(" ").filter((word) => word !== ""),
      figures,
    );
    end = match.index + whole.length;
  }
  return expanded + content.slice(end);
}
