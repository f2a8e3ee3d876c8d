/**
 * Table 8 of ShuffleNet V2 (arXiv:1807.11164): speeds of networks at four levels of multiply-accumulates, 224x224 where nothing else is
 * said. GPU: GTX 1080Ti, cuDNN 7, batches of 8 a second. ARM: one thread of a Snapdragon 810, pictures a second.
 */

/** A line of the table. */
export interface Table8Row {
  /** As the paper names it. */
  readonly name: string;
  /** What `build` takes. */
  readonly network: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly gpu: number;
  readonly arm: number;
}

/** A level of the table. */
export interface Table8Level {
  /** Million multiply-accumulates. */
  readonly level: string;
  readonly rows: readonly Table8Row[];
}

/**
 * The table. "Xception" is there a small network of the authors' own, which they do not describe; here it is what ShuffleNet v1's paper calls
 * Xception-like, ShuffleNet v1 with one group. DenseNet and others that Depthwise does not have are left out.
 */
export const table8: readonly Table8Level[] = [
  {
    level: "40",
    rows: [
      { name: "ShuffleNet V2 0.5x", network: "shufflenet_v2_0.5", gpu: 417, arm: 57.0 },
      { name: "MobileNet V1 0.25", network: "mobilenet_v1_0.25_224", gpu: 502, arm: 36.4 },
      {
        name: "MobileNet V2 0.4 (160)",
        network: "mobilenet_v2",
        options: { width: 0.4, resolution: 160 },
        gpu: 333,
        arm: 33.2,
      },
      { name: "ShuffleNet v1 0.5x g3", network: "shufflenet_v1_0.5_g3", gpu: 347, arm: 56.8 },
      { name: "Xception 0.5x", network: "shufflenet_v1_0.5_g1", gpu: 384, arm: 52.9 },
      { name: "IGCV2 0.25", network: "igcv2_0.25", gpu: 183, arm: 31.5 },
    ],
  },
  {
    level: "140",
    rows: [
      { name: "ShuffleNet V2 1x", network: "shufflenet_v2_1.0", gpu: 341, arm: 24.4 },
      { name: "MobileNet V1 0.5", network: "mobilenet_v1_0.5_224", gpu: 382, arm: 16.5 },
      { name: "MobileNet V2 0.75 (192)", network: "mobilenet_v2_0.75_192", gpu: 235, arm: 15.9 },
      { name: "ShuffleNet v1 1x g3", network: "shufflenet_v1_1.0_g3", gpu: 213, arm: 21.8 },
      { name: "Xception 1x", network: "shufflenet_v1_1.0_g1", gpu: 278, arm: 19.5 },
      { name: "IGCV2 0.5", network: "igcv2_0.5", gpu: 132, arm: 15.5 },
      { name: "IGCV3-D 0.7", network: "igcv3_d_0.7", gpu: 143, arm: 11.7 },
    ],
  },
  {
    level: "300",
    rows: [
      { name: "ShuffleNet V2 1.5x", network: "shufflenet_v2_1.5", gpu: 255, arm: 11.8 },
      { name: "MobileNet V1 0.75", network: "mobilenet_v1_0.75_224", gpu: 314, arm: 10.6 },
      { name: "MobileNet V2 1.0", network: "mobilenet_v2_1.0_224", gpu: 180, arm: 8.9 },
      { name: "ShuffleNet v1 1.5x g3", network: "shufflenet_v1_1.5_g3", gpu: 164, arm: 10.3 },
      { name: "Xception 1.5x", network: "shufflenet_v1_1.5_g1", gpu: 219, arm: 10.5 },
      { name: "IGCV3-D", network: "igcv3_d_1.0", gpu: 102, arm: 6.3 },
    ],
  },
  {
    level: "500+",
    rows: [
      { name: "ShuffleNet V2 2x", network: "shufflenet_v2_2.0", gpu: 217, arm: 6.7 },
      { name: "MobileNet V1 1.0", network: "mobilenet_v1_1.0_224", gpu: 247, arm: 6.5 },
      { name: "MobileNet V2 1.4", network: "mobilenet_v2_1.4_224", gpu: 137, arm: 5.4 },
      { name: "ShuffleNet v1 2x g3", network: "shufflenet_v1_2.0_g3", gpu: 133, arm: 6.4 },
      { name: "Xception 2x", network: "shufflenet_v1_2.0_g1", gpu: 174, arm: 6.7 },
      { name: "IGCV2 1.0", network: "igcv2_1.0", gpu: 81, arm: 4.9 },
      { name: "IGCV3-D 1.4", network: "igcv3_d_1.4", gpu: 82, arm: 4.5 },
      { name: "ShuffleNet V2 2x with SE", network: "shufflenet_v2_2.0_se", gpu: 161, arm: 5.6 },
    ],
  },
];
