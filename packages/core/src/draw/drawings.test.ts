import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blocksOf } from "../cost/blocks.ts";
import { describe as describeCost } from "../cost/describe.ts";
import { OptionError, UnsupportedError } from "../errors.ts";
import { graphBuilder } from "../graph/builder.ts";
import { build, listVariants } from "../networks/build.ts";
import { families } from "../networks/families.ts";
import { type BrowserSession, startBrowser } from "../testing/browser.ts";
import { randomGraph } from "../testing/random_graph.ts";
import { drawBlock } from "./draw_block.ts";
import { drawNetwork } from "./draw_network.ts";
import { drawWiring } from "./draw_wiring.ts";
import { escapeXml } from "./svg.ts";

let browser: BrowserSession;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

/** What the browser's own XML parser says of each picture: its complaints. */
function complaints(pictures: readonly string[]): Promise<readonly string[]> {
  return browser.page.evaluate(
    (texts) =>
      texts.flatMap((text) => {
        const root = new DOMParser().parseFromString(text, "image/svg+xml");
        const error = root.querySelector("parsererror");
        return error === null ? [] : [error.textContent ?? "an error"];
      }),
    pictures,
  );
}

describe("well-formed XML", () => {
  test.each(Object.keys(families))("%s: every variant, wide and narrow, and every different block", async (family) => {
    const pictures = new Set<string>();
    for (const { name } of listVariants(family as keyof typeof families)) {
      const network = build(name);
      pictures.add(drawNetwork(network));
      pictures.add(drawNetwork(network, { width: 360 }));
      for (const block of blocksOf(network.graph)) pictures.add(drawBlock(network, block.name));
    }
    expect(await complaints([...pictures])).toEqual([]);
    expect([...pictures].filter((picture) => /NaN|Infinity|undefined/.test(picture))).toEqual([]);
  });

  test("the check itself can fail", async () => {
    expect(await complaints(["<svg><g></svg>", "<svg>&nbsp;</svg>", "<svg a='<'/>"])).toHaveLength(3);
  });

  test("random graphs, whatever their wiring", async () => {
    const graphs = Array.from({ length: 40 }, (_, seed) => randomGraph(seed).graph);
    const pictures = graphs.flatMap((graph) => [
      drawNetwork(graph),
      ...blocksOf(graph).map(({ name }) => drawBlock(graph, name)),
    ]);
    expect(await complaints(pictures)).toEqual([]);
  });

  test("any text is escaped, and what XML allows comes back the same", async () => {
    const texts = fc.sample(fc.string({ unit: "binary", maxLength: 40 }), { numRuns: 200, seed: 1 });
    const hostile = [...texts, "</text><script>alert(1)</script>", "\u0000\u0007\uFFFE", "a\uD800b", "\"&'<>"];
    const documents = hostile.map((text) => `<a b="${escapeXml(text)}">${escapeXml(text)}</a>`);
    expect(await complaints(documents)).toEqual([]);
    const read = await browser.page.evaluate(
      (all) => all.map((each) => new DOMParser().parseFromString(each, "text/xml").documentElement.textContent),
      documents,
    );
    const expected = hostile.map((text) =>
      [...text.replace(/\r\n?/g, "\n")].map((character) => (isXmlCharacter(character) ? character : "\uFFFD")).join(""),
    );
    expect(read).toEqual(expected);
  });
});

/** XML 1.0, production 2. */
function isXmlCharacter(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  const isLow = code === 9 || code === 10 || code === 13 || (code >= 0x20 && code <= 0xd7ff);
  return isLow || (code >= 0xe000 && code <= 0xfffd) || code >= 0x10000;
}

describe("what is drawn", () => {
  const shuffleNet = build("shufflenet_v1_1.0_g3");

  test("the same network gives the same text", () => {
    const again = build("shufflenet_v1_1.0_g3");
    expect(drawNetwork(again)).toBe(drawNetwork(shuffleNet));
    expect(drawBlock(again, "stage2/unit2")).toBe(drawBlock(shuffleNet, "stage2/unit2"));
  });

  test("ShuffleNet's unit as in its figure 2(b): operations in order, a shortcut, a sum", () => {
    const picture = drawBlock(shuffleNet, "stage2/unit2");
    const headings = [...picture.matchAll(/class="name middle">([^<]*)</g)].map(([, heading]) => heading);
    expect(headings).toEqual(["1×1 group convolution", "3×3 depthwise", "1×1 group convolution", "add"]);
    expect(picture).toContain(">shuffle by 3 (24 of 60 drawn)<");
    expect(picture.match(/class="arrow"/g)).toHaveLength(7);
  });

  test("the lines of a shuffle cross as transposing does", () => {
    const builder = graphBuilder("six");
    const x = builder.input("input", [1, 4, 4, 6]);
    const graph = builder.build({ output: builder.permute("block/shuffle", x, { kind: "shuffle", groups: 2 }) });
    const lines = [...drawBlock(graph, "block").matchAll(/<line x1="([\d.]+)"[^>]*x2="([\d.]+)"/g)];
    const places = [...new Set(lines.map(([, from]) => Number(from)))].sort((a, b) => a - b);
    const crossings = lines.map(([, from, to]) => [places.indexOf(Number(from)), places.indexOf(Number(to))]);
    // (2, 3) transposed: 0 1 2 3 4 5 come out as 0 3 1 4 2 5.
    expect(crossings.sort()).toEqual([
      [0, 0],
      [1, 2],
      [2, 4],
      [3, 1],
      [4, 3],
      [5, 5],
    ]);
  });

  test("equal blocks are one row, and so are SqueezeNext's pairs", () => {
    expect(drawNetwork(shuffleNet)).toContain(">stage3/unit2–8  ×7<");
    expect(drawNetwork(build("squeezenext_1.0_23"))).toContain(">stage1/unit2–5  ×2<");
  });

  test("areas are shares: a square's side squared goes with its block's multiply-accumulates", () => {
    const squares = [...drawNetwork(shuffleNet).matchAll(/<rect [^>]*width="([\d.]+)"[^>]*class="area"/g)];
    const sides = squares.map(([, side]) => Number(side));
    const { blocks } = describeCost(shuffleNet);
    const stage = (path: RegExp) => blocks.reduce((sum, { name, macs }) => sum + (path.test(name) ? macs : 0), 0);
    // Rows: stem, then unit 1 and the others of stages 2, 3 and 4, then the classifier.
    const macs = [
      /^stem$/,
      ...[2, 3, 4].flatMap((n) => [`${n}/unit1$`, `${n}/unit[2-8]$`]).map((end) => new RegExp(end)),
    ];
    const expected = macs.map((path) => Math.sqrt(stage(path)));
    const scale = Math.max(...sides) / Math.max(...expected);
    expect(sides).toHaveLength(expected.length + 1);
    for (const [index, value] of expected.entries()) expect(sides[index]).toBeCloseTo(scale * value, 1);
  });

  test("IGCV2's wiring: the paths of one channel reach every output", () => {
    const network = build("igcv2", { smallStem: true, channels: 16, branches: [4, 4], depth: 8, resolution: 32 });
    const picture = drawWiring(network, "stage1/unit1/block1", { channel: 5 });
    expect(picture).toContain("1 path between any two channels; bold: channel 5");
    // One dot at the input and after the depthwise, four after the first pointwise, all sixteen at the end.
    expect(picture.match(/class="dot"/g)).toHaveLength(1 + 1 + 4 + 4 + 16 + 16);
  });
});

describe("refusals", () => {
  test("an unknown block names the nearest", () => {
    const refused = () => drawBlock(build("squeezenet_1.1"), "fire22");
    expect(refused).toThrow(OptionError);
    expect(refused).toThrow('has no block "fire22"');
    expect(() => drawWiring(build("igcv1_l4m8_cifar"), "stage1/unit1", { channel: 32 })).toThrow("channels 0 to 31");
  });

  test("a wiring too wide to see", () => {
    expect(() => drawWiring(build("mobilenet_v2_1.0_224"), "stage2/unit2")).toThrow(UnsupportedError);
  });
});

test("one style sheet for light, dark and paper", () => {
  const picture = drawBlock(build("squeezenet_1.1"), "fire2");
  expect(picture).toContain("@media screen and (prefers-color-scheme: dark)");
  expect(readFileSync(new URL("./theme.ts", import.meta.url), "utf8")).not.toContain("var(--");
});
