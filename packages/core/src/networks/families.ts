import { type Igcv1Options, igcv1 } from "./igcv1.ts";
import { type Igcv2Options, igcv2 } from "./igcv2.ts";
import { type Igcv3Options, igcv3 } from "./igcv3.ts";
import { type MobileNetV1Options, mobileNetV1 } from "./mobilenet_v1.ts";
import { type MobileNetV2Options, mobileNetV2 } from "./mobilenet_v2.ts";
import type { Family, FamilyName } from "./network.ts";
import { type ShuffleNetV1Options, shuffleNetV1 } from "./shufflenet_v1.ts";
import { type ShuffleNetV2Options, shuffleNetV2 } from "./shufflenet_v2.ts";
import { type SqueezeNetOptions, squeezeNet } from "./squeezenet.ts";
import { type SqueezeNextOptions, squeezeNext } from "./squeezenext.ts";
import { type XceptionOptions, xception } from "./xception.ts";

/** The options of each family. */
export interface FamilyOptions {
  readonly shufflenet_v1: ShuffleNetV1Options;
  readonly igcv1: Igcv1Options;
  readonly igcv2: Igcv2Options;
  readonly igcv3: Igcv3Options;
  readonly shufflenet_v2: ShuffleNetV2Options;
  readonly mobilenet_v1: MobileNetV1Options;
  readonly mobilenet_v2: MobileNetV2Options;
  readonly squeezenet: SqueezeNetOptions;
  readonly squeezenext: SqueezeNextOptions;
  readonly xception: XceptionOptions;
}

/** The ten families by name, ShuffleNets and interleaved groups first. */
export const families: { readonly [K in FamilyName]: Family<FamilyOptions[K]> } = {
  shufflenet_v1: shuffleNetV1,
  igcv1,
  igcv2,
  igcv3,
  shufflenet_v2: shuffleNetV2,
  mobilenet_v1: mobileNetV1,
  mobilenet_v2: mobileNetV2,
  squeezenet: squeezeNet,
  squeezenext: squeezeNext,
  xception,
};
