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
  /** For a verb without MODEL: the words that it takes, `<FILE>`. */
  readonly argument?: string;
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

/** A number of at least 0. */
function number(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
    throw new InvalidArgumentError("Expected a number of at least 0.");
  });
}

function names(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => text.split(",").filter((name) => name !== ""));
}

const json = new Option("--json", "print one JSON document on stdout and nothing else there");
const weights = new Option(
  "--weights <FILE>",
  "weights: safetensors, .pth, .onnx, ..., by our names or those of a known framework",
);
const seed = wholeNumber("--seed <N>", "draw weights from this seed, the same on every machine (default: 0)", 0);
const wide = new Option("--wide", "256-bit vectors, by an experimental flag of V8 for the whole process");
const tune = new Option(
  "--tune",
  "first measure tiles and bands on this machine; they are remembered for the next time",
);
const threads = wholeNumber("--threads <T>", "threads to run on (default: 1)", 1);

const labels = new Option("--labels <FILE>", "class names: a JSON array of strings, or one name a line");
const preprocessing: readonly Option[] = [
  new Option("--preprocessing <PRESET>", "how pictures go in: torchvision, timm, tensorflow, megvii, unit, ..."),
  new Option("--resize <N>", "short side before the crop, in pixels, or none"),
  new Option("--crop <N>", "centre crop in pixels: 224, or 192x256"),
  new Option("--scale <X>", "first factor of every byte: 1/255"),
  new Option("--mean <R,G,B>", "then subtracted"),
  new Option("--std <R,G,B>", "then divides what is left"),
  new Option("--channel-order <ORDER>", "of the network's input").choices(["rgb", "bgr", "grey"]),
];

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
      new Option("--plan", "what the compiler makes of it: steps, buffers, bands of rows, bytes moved"),
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
      labels,
      wholeNumber("--top <K>", "classes told of each picture (default: 5)", 1),
      json,
      seed,
      ...preprocessing,
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
      new Option("--roofline", "each node against this device's multiply-adds and memory; the guidelines it breaks"),
      new Option("--advise", "--roofline, and changes with predicted gains; the best ones are built and measured"),
      threads,
      wide,
      tune,
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
  {
    name: "compile",
    summary: "Compiles a network to a folder that needs nothing else to run: in pages, workers, Node.",
    usage: "MODEL [options of the network] -o FOLDER [options]",
    takesModel: true,
    options: [
      new Option("-o, --output <FOLDER>", "where model.wasm, model.mjs and their kin go; it is made if need be"),
      new Option(
        "--weights-type <TYPE>",
        "how the file holds the weights; they are decoded at the start (default: f32)",
      ).choices(["f32", "f16", "int8"]),
      new Option("--split", "weights in model.weights, for caching apart from the code"),
      new Option("--single", "everything in model.mjs: nothing is fetched"),
      new Option("--page", "demo.html too: one page with everything inside, works offline"),
      wholeNumber("--threads <T>", "most threads, where a page is cross-origin isolated (default: 1)", 1),
      new Option(
        "--simd <BUILD>",
        "code for relaxed SIMD, for plain SIMD, or for whatever there is (default: both)",
      ).choices(["plain", "relaxed", "both"]),
      tune,
      weights,
      seed,
      labels,
      json,
      ...preprocessing,
    ],
    examples: [
      ["for a page", "depthwise compile mobilenet_v2_1.0_224 --weights w.safetensors --labels names.json -o model"],
      ["a quarter of the bytes", "depthwise compile model.safetensors --weights-type int8 -o model"],
      ["to show somebody", "depthwise compile model.safetensors --page -o model && open model/demo.html"],
    ],
    failsWhen: "a file cannot be read or written, or does not fit the network",
    load: async () => (await import("../commands/compile.ts")).compileCommand,
  },
  {
    name: "verify",
    summary: "Proves a compiled model again: hashes of its files, and its output beside the reference's.",
    usage: "FILE|FOLDER [--json]",
    takesModel: false,
    argument: "[FILE|FOLDER]",
    options: [json],
    examples: [
      ["a folder that compile wrote", "depthwise verify model"],
      ["one module, wherever it came from", "depthwise verify downloads/model.wasm"],
      ["for a program", "depthwise verify model --json | jq .verified"],
    ],
    failsWhen: "anything is not what the certificate says, or there is none",
    load: async () => (await import("../commands/verify.ts")).verify,
  },
  {
    name: "convert",
    summary: "Writes a model file in another format.",
    usage: "IN OUT [--family F] [--naming N] [--weights-type T] [--drop-background] [--json]",
    takesModel: false,
    argument: "[FILE...]",
    options: [
      new Option("--family <F>", "the family or variant that IN is of, where its tensors fit several"),
      new Option("--naming <N>", "names and layouts of the tensors in OUT: depthwise, torchvision, timm, ..."),
      new Option("--weights-type <T>", "how numbers are stored in .safetensors, .pth: f32, f16 (default: f32)").choices(
        ["f32", "f16"],
      ),
      new Option("--drop-background", "leave out the first class, TensorFlow's background"),
      json,
    ],
    examples: [
      [
        "PyTorch's weights as a model file of ours",
        "depthwise convert mobilenet_v2-b0353104.pth mobilenet_v2.safetensors",
      ],
      ["a TFLite network for ONNX runtimes", "depthwise convert mobilenet_v1_0.25_224.tflite mobilenet_v1.onnx"],
      [
        "a model for PyTorch, under torchvision's names, in half the bytes",
        "depthwise convert model.safetensors model.pth --naming torchvision --weights-type f16",
      ],
    ],
    failsWhen: "IN cannot be read or is no network that OUT's format can hold, or OUT cannot be written",
    load: async () => (await import("../commands/convert.ts")).convert,
  },
  {
    name: "pull",
    summary: "Downloads a model file from the Hugging Face hub or an address, into the cache.",
    usage: "hf:ORG/NAME[/FILE] | URL | --list [options]",
    takesModel: false,
    argument: "[ADDRESS...]",
    options: [
      new Option("-o, --output <FILE>", "where to put a copy of it"),
      new Option("--sha256 <HASH>", "what its SHA-256 must be"),
      new Option("--list", "weights on public hubs that are known to be read: for which network, licence, names"),
      new Option("--refresh", "download it again though it is there"),
      wholeNumber("--retries <N>", "attempts after the first that get no further (default: 5)", 0),
      wholeNumber("--stall <S>", "seconds without a byte before a connection is given up (default: 30)", 1),
      wholeNumber("--max-size <BYTES>", "the largest file taken (default: 2 GiB)", 1),
      json,
    ],
    examples: [
      ["timm's MobileNetV2, model.safetensors in the cache", "depthwise pull hf:timm/mobilenetv2_100.ra_in1k"],
      [
        "torchvision's, whose name says its checksum",
        "depthwise pull https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth -o squeezenet.pth",
      ],
      ["what is known", "depthwise pull --list"],
    ],
    failsWhen: "the file cannot be had, or is not what it must be",
    load: async () => (await import("../commands/pull.ts")).pull,
  },
  {
    name: "train",
    summary: "Trains a network on pictures, or goes on from trained weights with your classes.",
    usage: "DATA --model M [options of the network] -o OUT.safetensors [options]",
    takesModel: true,
    options: [
      new Option("--model <M>", "the network: a variant, or a family with options"),
      new Option("-o, --output <FILE>", "where the weights go, with everything needed to use them"),
      wholeNumber("--epochs <E>", "times through the pictures (default: 30)", 1),
      wholeNumber("--batch <B>", "pictures of a step (default: 16 to 64 by the number of pictures)", 1),
      wholeNumber("--micro-batch <M>", "pictures that go through together; batch norm's statistics are theirs", 1),
      seed,
      threads,
      wide,
      new Option("--resume", "go on from the last epoch of an interrupted run, to the same weights"),
      new Option(
        "--from <FILE>",
        "begin with these weights (a file, or a name of the zoo); the last layer is new where the classes are others",
      ),
      new Option("--freeze", "with --from: train the last layer alone"),
      number("--body-rate <S>", "with --from: learning rate of all but the last layer, as a share (default: 0.3)"),
      number("--rate <R>", "peak learning rate (default: by optimizer and batch)"),
      number("--decay <D>", "weight decay of kernels that are not depthwise (default: 0.01; adamw 0.05, sgd 0.0005)"),
      new Option("--optimizer <O>", "muon, adamw, or sgd: Nesterov's momentum (default: muon)").choices([
        "sgd",
        "adamw",
        "muon",
      ]),
      number("--warm-up <E>", "epochs in which the rate grows (default: 1)"),
      new Option(
        "--schedule <S>",
        "how the rate falls after that: along a cosine, or evenly (default: cosine)",
      ).choices(["cosine", "linear"]),
      number("--average-decay <D>", "of the moving average of the weights, a step; 0: none (default: at most 0.998)"),
      names(
        "--teacher <FILES>",
        "learn trained networks' answers too, the mean of several: files, or names of the zoo",
      ),
      number("--teacher-share <S>", "share of each target that is the teachers' answer (default: 0.5)"),
      number("--label-smoothing <S>", "share of each target spread over all classes (default: 0.1)"),
      number("--clip <N>", "largest norm of the gradient; 0: any (default: 5)"),
      wholeNumber("--patience <E>", "stop after so many epochs without a better one", 1),
      new Option("--augment <A>", "how pictures are varied (default: what suits the data)").choices([
        "none",
        "smallPictures",
        "photos",
        "shapes",
      ]),
      number("--cutout <S>", "blank a square of each picture, its side a share of the picture's (arXiv:1708.04552)"),
      number("--mixup <A>", "blend pictures in pairs; the paper takes 0.2 to 1 (arXiv:1710.09412)"),
      number("--cutmix <A>", "swap a rectangle of pictures in pairs; the paper takes 1 (arXiv:1905.04899)"),
      new Option("--balance", "show every class equally often"),
      number(
        "--skip-easy <S>",
        "leave out this share of the pictures that are learned better than the mean, and show the others more often",
      ),
      number(
        "--validation-share <S>",
        "share of each class to judge by, where the data brings none (default: 0.15; cifar10: 0, its test pictures judge)",
      ),
      new Option(
        "--report <FILE>",
        "where the report goes, a page with pictures (default: OUT.html beside the weights)",
      ),
      new Option("--no-report", "write none"),
      new Option("--json", "print a JSON line an epoch, and one at the end, on stdout and nothing else"),
    ],
    examples: [
      [
        "your own pictures, one folder a class",
        "depthwise train pets/ --model mobilenet_v2_0.5_128 -o pets.safetensors",
      ],
      [
        "the same from trained weights, in a few minutes",
        "depthwise train pets/ --from mobilenet_v2.safetensors --epochs 10 -o pets.safetensors",
      ],
      [
        "CIFAR-10 in a network of ten million MACs",
        "depthwise train cifar10 --model mobilenet_v2_cifar -o cifar.safetensors",
      ],
    ],
    failsWhen: "the data cannot be used, the loss is no number any more, or the weights cannot be written",
    load: async () => (await import("../commands/train.ts")).trainCommand,
  },
  {
    name: "evaluate",
    summary: "Measures how often a network is right, class by class.",
    usage: "MODEL [options of the network] DATA [options]",
    takesModel: true,
    options: [weights, seed, threads, wide, json],
    examples: [
      ["on CIFAR-10's test pictures", "depthwise evaluate cifar.safetensors cifar10"],
      ["on a folder with one folder a class", "depthwise evaluate pets.safetensors pets/"],
      ["for a program", "depthwise evaluate pets.safetensors pets/ --json | jq .top1"],
    ],
    failsWhen: "the data cannot be used (classes that the network does not have are wrong usage)",
    load: async () => (await import("../commands/evaluate.ts")).evaluateCommand,
  },
  {
    name: "lab",
    summary: "Repeats the papers' experiments on this machine: what speed depends on, and what ideas are worth.",
    usage: "guidelines|table8|manifold|ideas|flops [options] | all -o FOLDER | diff A.json B.json | predict NAME...",
    takesModel: false,
    argument: "<words...>",
    options: [
      new Option("--html <FILE>", "write a page with the pictures, self-contained"),
      json,
      new Option("-o, --output <FOLDER>", "write NAME.html and NAME.json there; all: and the booklet, index.html"),
      wholeNumber(
        "--sessions <N>",
        "times that everything is loaded anew and measured: more make intervals narrower",
        1,
      ),
      wholeNumber("--rounds <N>", "turns of each network in a session", 1),
      wholeNumber("--seed <N>", "of the order of the turns (default: 0)", 0),
      new Option("--every", "flops: the largest networks too"),
      new Option("--train <DATA>", "ideas: train small networks too, on cifar10 or other pictures of ten classes"),
      wholeNumber("--epochs <E>", "ideas --train: times through the pictures (default: 2)", 1),
      wholeNumber("--threads <T>", "ideas --train: threads to train on (default: 1)", 1),
      new Option("--wide", "ideas --train: 256-bit vectors, by an experimental flag of V8 for the whole process"),
    ],
    examples: [
      ["everything, a booklet with pictures, in a quarter of an hour", "depthwise lab all -o booklet"],
      ["what each idea is worth in accuracy, in an hour", "depthwise lab ideas --train cifar10 --html ideas.html"],
      ["two machines, or two versions", "depthwise lab diff here/guidelines.json there/guidelines.json"],
    ],
    failsWhen: "a file cannot be read or written",
    load: async () => (await import("../commands/lab.ts")).lab,
  },
];
