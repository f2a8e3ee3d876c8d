import type { PerChannel, Preprocessing } from "./preprocessing.ts";

const none: PerChannel = [0, 0, 0];
const ones: PerChannel = [1, 1, 1];
const halves: PerChannel = [127.5, 127.5, 127.5];
const imageNetMean: PerChannel = [0.485, 0.456, 0.406];
const imageNetStd: PerChannel = [0.229, 0.224, 0.225];
/**
 * The mean picture of ImageNet averaged, in whole numbers as the Caffe models print it: there blue comes first, (104,
 * 117, 123).
 */
const caffeMean: PerChannel = [123, 117, 104];

/** Bytes as they are, in the order and the crop that most ImageNet networks take: the start of the presets below. */
const bytes = {
  size: [224, 224],
  resizeShortSide: 256,
  filter: "bilinear",
  scale: 1,
  mean: none,
  std: ones,
  channelOrder: "rgb",
} as const satisfies Preprocessing;

/** 32x32 pictures of CIFAR; others are resized to it. */
const cifar = { ...bytes, size: [32, 32], resizeShortSide: 32 } as const satisfies Preprocessing;

/** Name of one of {@link preprocessingPresets}. */
export type PreprocessingPreset =
  | "torchvision"
  | "torchvision232"
  | "timm"
  | "timmMobileNetV1"
  | "tensorflow"
  | "tensorflowSlim"
  | "bytes"
  | "unit"
  | "caffeSqueezeNet"
  | "caffeSqueezeNetBgr"
  | "caffeMobileNet"
  | "megvii"
  | "igcv1"
  | "igcv3"
  | "xception"
  | "cifar10"
  | "cifar100";

/**
 * How published weights want their pictures, by who trained them. Networks of other resolutions take
 * `withInputSize(preset, resolution)`.
 */
export const preprocessingPresets: { readonly [name in PreprocessingPreset]: Preprocessing } = {
  /** torchvision's weights named IMAGENET1K_V1 (MobileNetV2, SqueezeNet 1.0 and 1.1, ShuffleNetV2 0.5x and 1.0x). */
  torchvision: { ...bytes, scale: 1 / 255, mean: imageNetMean, std: imageNetStd },
  /** torchvision's newer recipe (MobileNetV2 IMAGENET1K_V2, ShuffleNetV2 1.5x and 2.0x). */
  torchvision232: { ...bytes, resizeShortSide: 232, scale: 1 / 255, mean: imageNetMean, std: imageNetStd },
  /** timm's `*.ra_in1k` weights (MobileNetV2): bicubic, crop 0.875 of the short side. */
  timm: { ...bytes, filter: "bicubic", scale: 1 / 255, mean: imageNetMean, std: imageNetStd },
  /** timm's `mobilenetv1_100.ra4` weights at 224: bicubic, crop 0.875, -1..1. */
  timmMobileNetV1: { ...bytes, filter: "bicubic", mean: halves, std: halves },
  /** -1..1 as TensorFlow's MobileNets take it (slim, Keras, TFLite), with the crop that most other networks use. */
  tensorflow: { ...bytes, mean: halves, std: halves },
  /**
   * TensorFlow slim's evaluation: 87.5 % of each side, stretched to the input. slim resizes without antialiasing; we do
   * not follow.
   */
  tensorflowSlim: { ...bytes, resizeShortSide: null, cropFraction: 0.875, mean: halves, std: halves },
  /** Bytes for quantised TFLite networks. */
  bytes,
  /** 0..1 without a mean (the visual wake words network of MLPerf Tiny; nsfwjs). */
  unit: { ...bytes, scale: 1 / 255 },
  /**
   * SqueezeNet 1.0 and 1.1 of the authors' Caffe weights whose first kernel was turned to RGB: 0..255 minus the mean.
   */
  caffeSqueezeNet: { ...bytes, size: [227, 227], mean: caffeMean },
  /** The same with the authors' kernels untouched: BGR. SqueezeNext (amirgholami/SqueezeNext) too. */
  caffeSqueezeNetBgr: { ...bytes, size: [227, 227], mean: caffeMean, channelOrder: "bgr" },
  /** MobileNet-Caffe by shicai: BGR minus the mean, times 0.017. */
  caffeMobileNet: {
    ...bytes,
    mean: [123.68, 116.78, 103.94],
    std: [1 / 0.017, 1 / 0.017, 1 / 0.017],
    channelOrder: "bgr",
  },
  /** ShuffleNet v1 and V2 of their authors (megvii): BGR bytes as they are. */
  megvii: { ...bytes, channelOrder: "bgr" },
  /** IGCV1 of its authors (hellozting/InterleavedGroupConvolutions), ImageNet. */
  igcv1: { ...bytes, mean: [123.37, 112.757, 99.406], std: [68.998, 66.093, 68.292] },
  /** IGCV3 (homles11/IGCV3): RGB minus the mean, not divided. */
  igcv3: { ...bytes, mean: [123.68, 116.779, 103.939] },
  /** Xception of timm: 0.8975 of the short side, bicubic, -1..1. */
  xception: { ...bytes, size: [299, 299], resizeShortSide: 333, filter: "bicubic", mean: halves, std: halves },
  /** CIFAR-10 with the means of its training set, as IGCV1's authors have them. */
  cifar10: { ...cifar, mean: [125.307, 122.95, 113.865], std: [62.993, 62.089, 66.705] },
  /** CIFAR-100, likewise. */
  cifar100: { ...cifar, mean: [129.304, 124.07, 112.434], std: [68.17, 65.392, 70.418] },
};
