import type { Graph } from "../graph/graph.ts";
import type { Preprocessing } from "../pixels/preprocessing.ts";

/** The ten families. */
export type FamilyName =
  | "shufflenet_v1"
  | "igcv1"
  | "igcv2"
  | "igcv3"
  | "shufflenet_v2"
  | "mobilenet_v1"
  | "mobilenet_v2"
  | "squeezenet"
  | "squeezenext"
  | "xception";

/** What a paper or an authors' repository prints about a variant. */
export interface PublishedFigures {
  readonly parameters?: number;
  /** Multiply-accumulates; many papers call them FLOPs. */
  readonly macs?: number;
  /** ImageNet top-1 accuracy in percent, unless `source` says another set. */
  readonly top1?: number;
  readonly top5?: number;
  /** Where the figures stand: paper and table, or repository. */
  readonly source: string;
  /** Why parameters or MACs differ from the exact ones, where they do: rounding, what the paper counts. */
  readonly difference?: string;
}

/** A published network: its name and the options that make it. */
export interface Variant<Options> {
  readonly name: string;
  readonly options: Options;
  readonly published: PublishedFigures;
  /** Why this is our reconstruction and not a transcription of a published definition, where it is. */
  readonly reconstructed?: string;
}

/** How one framework's checkpoints name the parts of a network: `features.3.squeeze` for our node `fire2/squeeze`. */
export interface Naming {
  /** Who names so: `torchvision`, `timm`, `megvii`, `pytorchcv`. */
  readonly name: string;
  /**
   * From our node's name to the module's path. For convolutions, batch norms and linear layers it names their parameters (`.weight`,
   * `.bias`, `.running_mean`, `.running_var`, layout OIHW and `[out, in]`); for any other node, or for a unit (`stage3/unit2`: the last
   * node under it), the module's output.
   */
  readonly modules: ReadonlyMap<string, string>;
  /** Keys of `modules` that are 1x1 convolutions here and linear layers there, of squeeze-and-excitation: their kernels are `[out, in]`. */
  readonly linear?: ReadonlySet<string>;
  /** Keys of `modules` that are linear layers here and 1x1 convolutions there: their kernels are `[out, in, 1, 1]`. */
  readonly pointwise?: ReadonlySet<string>;
}

/** What one option of a family may be: how the command line parses it, and how a mistake is refused. */
export interface OptionRule {
  /** `integers` is a list of any length; `size` a whole number or a pair of them, written `192x256` on the command line. */
  readonly kind: "number" | "integer" | "integers" | "size" | "choice" | "boolean";
  /** Of a `choice`. */
  readonly choices?: readonly string[];
  /** Smallest number allowed. Default: anything above 0. */
  readonly minimum?: number;
  /** Largest number allowed. */
  readonly maximum?: number;
  /** One line for `--help`, with the paper's letter and the default. */
  readonly description: string;
}

/** A family of networks: one function from options to a graph, and its published variants. */
export interface Family<Options extends object> {
  readonly name: FamilyName;
  readonly title: string;
  /** Authors, title, year, arXiv id. */
  readonly paper: string;
  readonly defaults: Options;
  readonly optionRules: { readonly [K in keyof Required<Options>]: OptionRule };
  readonly variants: readonly Variant<Partial<Options>>[];
  /** Builds the graph. Throws an OptionError with the arithmetic for options that make no network. */
  build(options: Options, name: string): Graph;
  /** The checkpoints whose names we know, most usual first. */
  namings(options: Options): readonly Naming[];
  /** How pictures are prepared for the best-known weights. */
  preprocessing(options: Options): Preprocessing;
}

/** A network of a family: what `build` returns and `describe`, `compile` and `readWeights` take. */
export interface Network {
  readonly name: string;
  readonly family: FamilyName | undefined;
  /** The options it was built with; empty for a network that a file brought. */
  readonly options: Readonly<Record<string, unknown>>;
  /** One input, `input` `[N, H, W, C]`; one output, `output`: logits `[N, classes]`. */
  readonly graph: Graph;
  readonly classes: number;
  readonly preprocessing: Preprocessing;
  readonly namings: readonly Naming[];
  /** Class names in index order, where known. */
  readonly labels?: readonly string[];
}
