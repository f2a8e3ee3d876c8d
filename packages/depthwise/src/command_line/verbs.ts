import { InvalidArgumentError, Option } from "commander";
import type { Command } from "./invocation.ts";

/** A line of `--help`: a command, and what it is for. */
export type Example = readonly [purpose: string, command: string];

/** What a verb is to the command line; the work itself is imported when the verb is called. */
export interface Verb {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** What stands after the verb. */
  readonly usage: string;
  /** Whether options of a network may stand among the words. */
  readonly takesModel: boolean;
  readonly options: readonly Option[];
  readonly examples: readonly [Example, Example, Example];
  /** When it ends with 1. */
  readonly failsWhen: string;
  readonly load: () => Promise<Command<never>>;
}

/** A whole number from `minimum` up. */
function wholeNumber(flags: string, description: string, minimum: number): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= minimum) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${minimum} up.`);
  });
}

function names(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => text.split(",").filter((name) => name !== ""));
}

const json = new Option("--json", "print one JSON document on stdout and nothing else there");
const weights = new Option("--weights <FILE>", "weights as safetensors, by our names or those of a known framework");
const seed = wholeNumber("--seed <N>", "draw weights from this seed, the same on every machine (default: 0)", 0);
const wide = new Option("--wide", "256-bit vectors, by an experimental flag of V8 for the whole process");
const threads = wholeNumber("--threads <T>", "threads to run on (default: 1)", 1);

/** The verbs, in the order of the help. */
export const verbs: readonly Verb[] = [
  {
    name: "list",
    summary: "Lists the networks: what they cost, and what their papers say.",
    usage: "[--family F] [--json]",
    takesModel: false,
    options: [new Option("--family <F>", "networks of one family only, and the options it takes"), json],
    examples: [
      ["every published network of the ten families", "depthwise list"],
      ["one family, with the options that make others", "depthwise list --family mobilenet_v2"],
      ["names and multiply-accumulates for a program", "depthwise list --json | jq -r '.[] | [.name, .macs] | @tsv'"],
    ],
    failsWhen: "it failed",
    load: async () => (await import("../commands/list.ts")).list,
  },
  {
    name: "describe",
    summary: "Says what networks cost: parameters, multiply-accumulates, memory access; and draws them.",
    usage: "MODEL... [options of the network] [options]",
    takesModel: true,
    options: [
      json,
      new Option("--svg <FILE>", "draw the network: blocks, sizes, channels, cost as area; - writes stdout"),
      new Option("--block <NAME>", "with --svg: draw the wiring of this block, stage2/unit2 for instance"),
      wholeNumber("--channel <N>", "with --block: channel by channel, the paths of input channel N in bold", 0),
      new Option("--connections", "paths between the channels of every block: IGCV2's and IGCV3's conditions"),
      names("--replace <WHAT,...>", "what if: depthwise=standard, grouped=dense, standard=separable"),
    ],
    examples: [
      ["one of your own: half the width, ten classes", "depthwise describe mobilenet_v2 --width 0.5 --classes 10"],
      ["networks side by side", "depthwise describe mobilenet_v2_1.0_224 shufflenet_v2_1.0 igcv3_d_1.0"],
      [
        "the figure of a paper",
        "depthwise describe shufflenet_v1_1.0_g3 --block stage2/unit2 --svg shufflenet_unit.svg",
      ],
    ],
    failsWhen: "a file cannot be read or written",
    load: async () => (await import("../commands/describe.ts")).describeCommand,
  },
  {
    name: "run",
    summary: "Runs a network on a tensor and writes what comes out.",
    usage: "MODEL [options of the network] --input X.safetensors --output Y.safetensors [options]",
    takesModel: true,
    options: [
      new Option("--input <FILE>", "safetensors with a tensor `input` [N, H, W, C]; - reads stdin"),
      new Option(
        "--output <FILE>",
        "where `output` goes, the logits, and each kept value by its name; - writes stdout",
      ),
      weights,
      seed,
      json,
      names("--keep <NAME,...>", "values inside the network to write too, by the names that describe shows"),
      threads,
      wide,
      new Option("--interpreter", "compute by the plain interpreter, which the compiler is tested against"),
    ],
    examples: [
      [
        "the logits for one input",
        "depthwise run squeezenet_1.1 --weights w.safetensors --input x.safetensors --output y.safetensors",
      ],
      [
        "the same by plain loops, to compare",
        "depthwise run squeezenet_1.1 --interpreter --input x.safetensors --output z.safetensors",
      ],
      [
        "values on the way too",
        "depthwise run squeezenet_1.1 --keep fire2/concatenate,pool --input x.safetensors --output y.safetensors",
      ],
    ],
    failsWhen: "a file cannot be read or written, or does not fit the network",
    load: async () => (await import("../commands/run.ts")).run,
  },
  {
    name: "classify",
    summary: "Says what is on pictures, most probable class first.",
    usage: "MODEL [options of the network] FILE|FOLDER... [options]",
    takesModel: true,
    options: [
      weights,
      new Option("--labels <FILE>", "class names: a JSON array of strings, or one name a line"),
      wholeNumber("--top <K>", "classes told of each picture (default: 5)", 1),
      json,
      seed,
      new Option("--preprocessing <PRESET>", "how pictures go in: torchvision, timm, tensorflow, megvii, unit, ..."),
      new Option("--resize <N>", "short side before the crop, in pixels, or none"),
      new Option("--crop <N>", "centre crop in pixels: 224, or 192x256"),
      new Option("--scale <X>", "first factor of every byte: 1/255"),
      new Option("--mean <R,G,B>", "then subtracted"),
      new Option("--std <R,G,B>", "then divides what is left"),
      new Option("--channel-order <ORDER>", "of the network's input").choices(["rgb", "bgr", "grey"]),
    ],
    examples: [
      ["one photo", "depthwise classify mobilenet_v2_1.0_224 --weights w.safetensors --labels names.json cat.jpg"],
      ["a folder and those in it, for a program", "depthwise classify model.safetensors photos --top 1 --json"],
      [
        "weights that want other numbers",
        "depthwise classify mobilenet_v2_1.0_224 --weights w.safetensors --preprocessing tensorflow cat.jpg",
      ],
    ],
    failsWhen: "none of the pictures could be read (one that cannot be read does not stop the others)",
    load: async () => (await import("../commands/classify.ts")).classify,
  },
  {
    name: "bench",
    summary: "Measures networks on this machine, in turns, beside the ceiling of its multiply-adds.",
    usage: "MODEL... [options]",
    takesModel: true,
    options: [
      wholeNumber("--runs <R>", "timed runs of each model (default: 30)", 1),
      new Option("--layers", "every layer's time too"),
      threads,
      wide,
      weights,
      seed,
      json,
    ],
    examples: [
      ["one network, and where its time goes", "depthwise bench mobilenet_v2_1.0_224"],
      [
        "three in turns, so that what disturbs one disturbs all",
        "depthwise bench squeezenet_1.1 mobilenet_v2_1.0_224 mobilenet_v2 --width 0.5",
      ],
      ["layer by layer, for a program", "depthwise bench squeezenet_1.1 --layers --json"],
    ],
    failsWhen: "a file cannot be read or does not fit the network",
    load: async () => (await import("../commands/bench.ts")).bench,
  },
];
