import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { listVariants } from "depthwise";
import { beforeAll, describe, expect, test } from "vitest";
import { outputOf, root } from "./run_program.ts";
import { contentFolder, expandSite, pagePaths, type Site } from "./site.ts";

const examples = readdirSync(join(root, "docs/examples"));
let site: Site;

beforeAll(async () => {
  site = await expandSite();
}, 180_000);

/** Addresses of links and pictures: in Markdown, in HTML, and in a page's front matter. */
function addressesIn(page: string): readonly string[] {
  const text = page.replaceAll(/^```[\s\S]*?^```$/gm, "").replaceAll(/`[^`\n]*`/g, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)|(?:href|src|srcset)="([^"]+)"|\blink: ([^\s}]+)/g)].map(
    ([, inMarkdown, inHtml, inFrontMatter]) => inMarkdown ?? inHtml ?? inFrontMatter ?? "",
  );
}

function isThere(address: string): boolean {
  const [path = "", anchor] = address.split("#");
  const name = path.replace(/^\//, "");
  if (site.figures.has(name)) return true;
  const page = site.pages.get(name.endsWith("/") || name === "" ? `${name}index.md` : `${name}.md`);
  if (page === undefined) return false;
  const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replaceAll(/[^\w]+/g, "-"),
  );
  return anchor === undefined || headings.includes(anchor);
}

describe("pages", () => {
  test("no link between pages, and no picture, is missing", () => {
    const broken = [...site.pages].flatMap(([path, page]) =>
      addressesIn(page)
        .filter((address) => !/^https:/.test(address))
        .filter((address) => !address.startsWith("/") || !isThere(address))
        .map((address) => `${path}: ${address}`),
    );
    expect(broken).toEqual([]);
  });

  test("the check sees links and finds what is missing", () => {
    const page = '[a](/nowhere) <img src="/figures/none.svg"> `[code](/not_a_link)` {text: b, link: /cost}';
    expect(addressesIn(page)).toEqual(["/nowhere", "/figures/none.svg", "/cost"]);
    expect(addressesIn(page).map(isThere)).toEqual([false, false, true]);
  });

  test("every page is in the navigation, and every entry is a page", () => {
    const navigation = readFileSync(new URL("./navigation.json", import.meta.url), "utf8");
    const links = [...navigation.matchAll(/"link": "([^"]+)"/g)].map(([, link = ""]) => link);
    expect(links.filter((link) => !isThere(link))).toEqual([]);
    const pages = pagePaths().filter((path) => path !== "index.md");
    const listed = links.map((link) => `${link.slice(1)}${link.endsWith("/") ? "index" : ""}.md`);
    expect(pages.toSorted()).toEqual(listed.toSorted());
  });

  test("every picture is shown, and every directive was carried out", () => {
    const all = [...site.pages.values()].join("\n");
    expect([...site.figures.keys()].filter((figure) => !all.includes(`"/${figure}"`))).toEqual([]);
    expect(all).not.toMatch(/<!-- [a-z]/);
  });

  test("each family's page names every variant of it, and nothing else", () => {
    for (const { family, name } of listVariants()) {
      expect(site.pages.get(`families/${family}.md`)).toContain(`\`${name}\``);
    }
    expect(existsSync(join(contentFolder, "families/index.md"))).toBe(true);
  });
});

describe("programs", () => {
  test.each(examples)("%s runs and prints something, and a page shows it", async (file) => {
    expect((await outputOf(join("docs/examples", file))).length).toBeGreaterThan(0);
    const code = readFileSync(join(root, "docs/examples", file), "utf8").trimEnd();
    expect([...site.pages.values()].some((page) => page.includes(code))).toBe(true);
  });

  test("the README's program is the one of the first page", () => {
    const [, inReadme = ""] = /```ts\n([\s\S]+?)```/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];
    const calls = (text: string) => text.match(/\b(build|describe|compile|load|run)\([^)]*\)/g);
    const ours = readFileSync(join(root, "docs/examples/getting_started.ts"), "utf8");
    expect(calls(ours)).toEqual(calls(inReadme));
  });
});
