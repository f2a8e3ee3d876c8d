import type { FamilyName } from "@depthwise/core/networks";

/** Weights on a public hub that a network here reads. */
export interface KnownWeights {
  readonly family: FamilyName;
  /** The MODEL they are for. */
  readonly network: string;
  /** What `pull` takes. */
  readonly source: string;
  /** Whose names the tensors have. */
  readonly naming: string;
  /** What the publisher says. */
  readonly licence: string;
  /** The preset of preprocessing that they were made with. */
  readonly preprocessing: string;
}

const torchvision = (file: string): string => `https://download.pytorch.org/models/${file}.pth`;

/** torchvision's licence is the library's: it states no other for these weights, which were trained on ImageNet. */
const torchvisionLicence = "BSD-3-Clause";
/** As the model cards say. */
const timmLicence = "Apache-2.0";

/** By family; each row is a file that its publisher keeps under this address. */
const rows: readonly (readonly [
  family: FamilyName,
  network: string,
  source: string,
  naming: string,
  licence: string,
  preprocessing: string,
])[] = [
  [
    "shufflenet_v2",
    "shufflenet_v2_0.5",
    torchvision("shufflenetv2_x0.5-f707e7126e"),
    "torchvision",
    torchvisionLicence,
    "torchvision",
  ],
  [
    "shufflenet_v2",
    "shufflenet_v2_1.0",
    torchvision("shufflenetv2_x1-5666bf0f80"),
    "torchvision",
    torchvisionLicence,
    "torchvision",
  ],
  [
    "shufflenet_v2",
    "shufflenet_v2_1.5",
    torchvision("shufflenetv2_x1_5-3c479a10"),
    "torchvision",
    torchvisionLicence,
    "torchvision232",
  ],
  [
    "shufflenet_v2",
    "shufflenet_v2_2.0",
    torchvision("shufflenetv2_x2_0-8be3c8ee"),
    "torchvision",
    torchvisionLicence,
    "torchvision232",
  ],
  [
    "mobilenet_v1",
    "mobilenet_v1_1.0_224",
    "hf:timm/mobilenetv1_100.ra4_e3600_r224_in1k",
    "timm",
    timmLicence,
    "timmMobileNetV1",
  ],
  [
    "mobilenet_v2",
    "mobilenet_v2_1.0_224",
    torchvision("mobilenet_v2-b0353104"),
    "torchvision",
    torchvisionLicence,
    "torchvision",
  ],
  [
    "mobilenet_v2",
    "mobilenet_v2_1.0_224",
    torchvision("mobilenet_v2-7ebf99e0"),
    "torchvision",
    torchvisionLicence,
    "torchvision232",
  ],
  ["mobilenet_v2", "mobilenet_v2_0.5_224", "hf:timm/mobilenetv2_050.lamb_in1k", "timm", timmLicence, "timm"],
  ["mobilenet_v2", "mobilenet_v2_1.0_224", "hf:timm/mobilenetv2_100.ra_in1k", "timm", timmLicence, "timm"],
  ["mobilenet_v2", "mobilenet_v2_1.4_224", "hf:timm/mobilenetv2_140.ra_in1k", "timm", timmLicence, "timm"],
  [
    "squeezenet",
    "squeezenet_1.0_224",
    torchvision("squeezenet1_0-b66bff10"),
    "torchvision",
    torchvisionLicence,
    "torchvision",
  ],
  [
    "squeezenet",
    "squeezenet_1.1_224",
    torchvision("squeezenet1_1-b8a52dc0"),
    "torchvision",
    torchvisionLicence,
    "torchvision",
  ],
  ["xception", "xception", "hf:timm/legacy_xception.tf_in1k", "timm", timmLicence, "xception"],
];

/** Weights on public hubs whose address and names we are sure of. */
export const knownWeights: readonly KnownWeights[] = rows.map(
  ([family, network, source, naming, licence, preprocessing]) => ({
    family,
    network,
    source,
    naming,
    licence,
    preprocessing,
  }),
);

/**
 * What PyTorch's files say about themselves: their names end in the beginning of their SHA-256, as `torch.hub` checks it.
 *
 * @returns undefined for other addresses
 */
export function statedSha256({ hostname, pathname }: URL): string | undefined {
  return hostname === "download.pytorch.org" ? pathname.match(/-([0-9a-f]{8,64})\.[^/]*$/)?.[1] : undefined;
}
