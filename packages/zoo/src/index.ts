/**
 * Ten trained networks, one of each family: weights in float16, ours, and the record of how each was trained. Their paths are URLs beside
 * this module, so that the package works unpacked in Node, from a static server, and through bundlers that know `new URL`.
 */

/** Names of the trained networks, by family in the order of the papers. */
export const trainedNetworks = [
  "squeezenet_cifar",
  "xception_cifar",
  "mobilenet_v1_cifar",
  "igcv1_cifar",
  "shufflenet_v1_cifar",
  "mobilenet_v2_cifar",
  "squeezenext_cifar",
  "igcv2_cifar",
  "igcv3_cifar",
  "shufflenet_v2_cifar",
] as const;

/** A network that this package has weights of. */
export type TrainedNetwork = (typeof trainedNetworks)[number];

/** Whether there are weights of a network. */
export function isTrained(name: string): name is TrainedNetwork {
  return (trainedNetworks as readonly string[]).includes(name);
}

/**
 * Where a network's weights are: a safetensors file that names its network, labels and preprocessing (`readNetwork` of
 * `@depthwise/core` needs nothing else).
 */
export function weightsUrl(name: TrainedNetwork): URL {
  return new URL(`../weights/${name}.safetensors`, import.meta.url);
}

/** Where a network's {@link TrainingRecord} is: JSON. */
export function recordUrl(name: TrainedNetwork): URL {
  return new URL(`../records/${name}.json`, import.meta.url);
}

/** How a network was trained, and what came out. */
export interface TrainingRecord {
  readonly network: string;
  /** What it was trained on, `cifar10`. */
  readonly data: string;
  readonly parameters: number;
  readonly macs: number;
  /** Of these float16 weights on the test pictures as they are, each shown once. */
  readonly test: {
    /** Share of pictures whose likeliest class was right. */
    readonly top1: number;
    readonly top5: number;
    /** Mean cross-entropy, in nats. */
    readonly loss: number;
    readonly images: number;
  };
  /** Training pictures that went through, over all epochs. */
  readonly imagesSeen: number;
  /** The command line that trains it again, to the same weights. */
  readonly command: string;
  /** The recipe in full: optimizer, rates, decay, seed, augmentation. */
  readonly recipe: Readonly<Record<string, unknown>>;
  readonly augmentation: Readonly<Record<string, unknown>>;
  /** The networks whose answers were learned beside the labels (the mean of several), and hashes of their weights. */
  readonly teachers?: readonly { readonly network: string; readonly hash: string }[];
  /** The course, an entry an epoch. */
  readonly epochs: readonly {
    readonly epoch: number;
    readonly trainLoss: number;
    readonly trainTop1: number;
    readonly validationLoss: number;
    readonly validationTop1: number;
    readonly imagesPerSecond: number;
  }[];
}
