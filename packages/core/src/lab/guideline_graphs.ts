import { type GraphBuilder, graphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { type PaperPlatform, type PaperSpeeds, table1, table2, table3, table4 } from "./guideline_tables.ts";

/** Sizes of the guidelines' graphs. */
export interface GuidelineSize {
  /** Rows and columns: 56 in the paper (of table 4 it does not say). */
  readonly resolution: number;
  /** Times the block is repeated: 10 in the paper. */
  readonly repeats: number;
}

/** The paper's size. */
export const paperSize: GuidelineSize = { resolution: 56, repeats: 10 };

/** One version of an experiment's block. */
export interface GuidelineVersion {
  readonly name: string;
  /** What the paper measured. */
  readonly speeds: { readonly [P in PaperPlatform]: PaperSpeeds };
  /** The repeated block as a graph, its channels times `multiple`. */
  graph(platform: PaperPlatform, multiple: Multiple, size: GuidelineSize): Graph;
}

/** The columns of the paper's tables. */
export type Multiple = 1 | 2 | 4;
export const multiples: readonly Multiple[] = [1, 2, 4];

/** One of the four experiments. */
export interface GuidelineExperiment {
  /** 1 to 4, as in the paper. */
  readonly guideline: number;
  readonly id: string;
  readonly title: string;
  /** The paper's words, shortened. */
  readonly claim: string;
  /** What is done here where the paper leaves it open. */
  readonly note: string;
  /** The first one is what the guideline recommends. */
  readonly versions: readonly GuidelineVersion[];
}

/** A block: what goes in, which is as much as comes out, and how it is added to a graph. */
interface Block {
  readonly channels: number;
  add(builder: GraphBuilder, x: Value): Value;
}

/** Table 1. */
function unequalWidths([c1, c2]: readonly [number, number]): Block {
  return {
    channels: c1,
    add: (builder, x) =>
      builder.convolution("second", builder.convolution("first", x, { channels: c2 }), { channels: c1 }),
  };
}

/** Table 2. */
function groupedConvolution(channels: number, groups: number): Block {
  return { channels, add: (builder, x) => builder.convolution("grouped", x, { channels, groups }) };
}

/** Table 3. */
function fragmentedBlock(channels: number, fragments: number, arrangement: "series" | "parallel"): Block {
  return {
    channels,
    add(builder, x) {
      let y = builder.convolution("fragment1", x, { channels });
      for (let fragment = 2; fragment <= fragments; fragment++) {
        const input = arrangement === "series" ? y : x;
        const next = builder.convolution(`fragment${fragment}`, input, { channels });
        y = arrangement === "series" ? next : builder.add(`add${fragment}`, y, next);
      }
      return y;
    },
  };
}

/** Table 4. */
function bottleneck(channels: number, relu: boolean, shortcut: boolean): Block {
  const maybeRelu = (builder: GraphBuilder, name: string, x: Value) => (relu ? builder.activation(name, x, "relu") : x);
  return {
    channels,
    add(builder, x) {
      const inside = channels / 4;
      const reduced = maybeRelu(builder, "relu1", builder.convolution("reduce", x, { channels: inside }));
      const filtered = builder.convolution("filter", reduced, { channels: inside, kernel: 3 });
      const expanded = builder.convolution("expand", maybeRelu(builder, "relu2", filtered), { channels });
      return maybeRelu(builder, "relu3", shortcut ? builder.add("add", x, expanded) : expanded);
    },
  };
}

/** The block again and again. */
function repeated(name: string, block: Block, { resolution, repeats }: GuidelineSize): Graph {
  const builder = graphBuilder(name);
  let x = builder.input("input", [1, resolution, resolution, block.channels]);
  for (let index = 1; index <= repeats; index++) x = builder.scope(`block${index}`, () => block.add(builder, x));
  return builder.build({ output: x });
}

/** The four experiments. */
export const guidelineExperiments: readonly GuidelineExperiment[] = [
  {
    guideline: 1,
    id: "widths",
    title: "Equal channel widths",
    claim: "Equal channel widths minimise memory access cost; at equal multiply-accumulates they are fastest.",
    note: "Two 1x1 convolutions a block, c1 to c2 channels and back.",
    versions: table1.map(({ setting, ...row }) => ({
      ...row,
      graph: (platform, multiple, size) => {
        const [c1, c2] = setting[platform];
        return repeated(row.name, unequalWidths([c1 * multiple, c2 * multiple]), size);
      },
    })),
  },
  {
    guideline: 2,
    id: "groups",
    title: "Group convolution",
    claim:
      "Excessive group convolution increases memory access cost; at equal multiply-accumulates more groups are slower.",
    note: "One 1x1 group convolution a block. 180 channels do not divide into 8 groups: there it has 184.",
    versions: table2.map(({ groups, setting, ...row }) => ({
      ...row,
      graph: (platform, multiple, size) => {
        const channels = Math.round((setting[platform] * multiple) / groups) * groups;
        return repeated(row.name, groupedConvolution(channels, groups), size);
      },
    })),
  },
  {
    guideline: 3,
    id: "fragments",
    title: "Fragmentation",
    claim: "Network fragmentation reduces the degree of parallelism.",
    note: "n 1x1 convolutions a block of c/√n channels each, in series, or side by side and added (the paper's drawing of them could not be read).",
    versions: table3.map(({ fragments, arrangement, setting, ...row }) => ({
      ...row,
      graph: (platform, multiple, size) => {
        const channels = Math.round((setting[platform] * multiple) / Math.sqrt(fragments));
        return repeated(row.name, fragmentedBlock(channels, fragments, arrangement), size);
      },
    })),
  },
  {
    guideline: 4,
    id: "elementwise",
    title: "Elementwise operations",
    claim: "Elementwise operations are not negligible.",
    note: "ResNet's bottleneck: 1x1 to a quarter of the channels, 3x3, 1x1 back, with and without ReLU and shortcut. The paper does not say how large its picture is; here it is that of the others.",
    versions: table4.map(({ relu, shortcut, setting, ...row }) => ({
      ...row,
      graph: (platform, multiple, size) =>
        repeated(row.name, bottleneck(setting[platform] * multiple, relu, shortcut), size),
    })),
  },
];
