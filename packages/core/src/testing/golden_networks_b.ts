import type { GoldenNetwork } from "./golden_networks.ts";

const small = { smallStem: true, resolution: [32, 24], classes: 10 } as const;

/** How the networks of the golden files of ShuffleNet and IGC are built. */
export const goldenNetworksB: readonly GoldenNetwork[] = [
  {
    file: "shufflenet_v1_tiny_g1",
    family: "shufflenet_v1",
    options: {
      groups: 1,
      stemChannels: 8,
      channels: [32, 64, 128],
      repeats: [2, 2, 2],
      resolution: [64, 48],
      classes: 10,
    },
  },
  shuffleNetV1Groups3("shufflenet_v1_tiny_g3", "paper"),
  shuffleNetV1Groups3("shufflenet_v1_tiny_g3_megvii", "megvii"),
  {
    file: "igcv1_tiny_l6m2_cifar",
    family: "igcv1",
    options: { primaryGroups: 6, groupWidth: 2, depth: 11, residual: false, ...small },
  },
  {
    file: "igcv1_tiny_l6m2_ident_cifar",
    family: "igcv1",
    options: { primaryGroups: 6, groupWidth: 2, depth: 14, residual: true, ...small },
  },
  {
    file: "igcv1_tiny_l10m2_imagenet",
    family: "igcv1",
    options: {
      primaryGroups: 10,
      groupWidth: 2,
      growth: "primaryGroups",
      stemChannels: 10,
      resolution: [64, 50],
      classes: 10,
    },
  },
  { file: "igcv2_tiny_c64_cifar", family: "igcv2", options: { channels: 64, depth: 8, ...small } },
  { file: "igcv2_tiny_c24_loose_cifar", family: "igcv2", options: { channels: 24, branchSize: 4, depth: 8, ...small } },
  {
    file: "igcv2_tiny_imagenet",
    family: "igcv2",
    options: { width: 0.25, repeats: [1, 2, 2, 2], resolution: [65, 47], classes: 10 },
  },
  {
    file: "igcv3_tiny",
    family: "igcv3",
    options: {
      stemChannels: 16,
      channels: [8, 12, 16, 24, 32, 40],
      repeats: [1, 2, 2, 2, 2, 1],
      finalChannels: 64,
      resolution: [67, 53],
      classes: 10,
    },
  },
  {
    file: "igcv3_tiny_cifar",
    family: "igcv3",
    options: { stemChannels: 16, channels: [8, 12, 16, 24], repeats: [1, 2, 2, 2], finalChannels: 64, ...small },
  },
  {
    file: "shufflenet_v2_tiny",
    family: "shufflenet_v2",
    options: { channels: [48, 96, 192], finalChannels: 128, repeats: [2, 3, 2], resolution: [67, 53], classes: 10 },
  },
  {
    file: "shufflenet_v2_tiny_megvii",
    family: "shufflenet_v2",
    options: {
      wiring: "megvii",
      stemChannels: [16],
      channels: [48, 96, 192],
      finalChannels: 128,
      repeats: [2, 3, 2],
      resolution: [67, 53],
      classes: 10,
    },
  },
  {
    file: "shufflenet_v2_tiny_se_residual",
    family: "shufflenet_v2",
    options: {
      stemChannels: [16],
      channels: [32, 64, 128],
      finalChannels: 64,
      repeats: [2, 2, 2],
      squeezeExcite: true,
      residual: true,
      resolution: [64, 48],
      classes: 10,
    },
  },
];

function shuffleNetV1Groups3(file: string, wiring: "paper" | "megvii"): GoldenNetwork {
  const options = {
    groups: 3,
    stemChannels: 12,
    channels: [60, 120, 240],
    repeats: [2, 3, 2],
    resolution: [67, 53],
    classes: 10,
  };
  return { file, family: "shufflenet_v1", options: { wiring, ...options } };
}
