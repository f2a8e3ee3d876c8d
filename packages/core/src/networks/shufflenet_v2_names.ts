import type { ShuffleNetV2Wiring } from "./shufflenet_v2.ts";

/** Names of one wiring's parts, theirs beside ours. */
export interface WiringNames {
  readonly name: string;
  readonly stem: (index: number) => readonly [convolution: string, norm: string, module: string];
  readonly final: readonly [convolution: string, norm: string, module: string];
  readonly classifier: string;
  /** Module of a unit; `index` counts all units. */
  readonly unit: (stage: number, position: number, index: number) => string;
  readonly stage?: (stage: number) => string;
  /** Our layer of a unit, and the paths of its convolution and norm below the unit's module. */
  readonly layers: readonly (readonly [ours: string, convolution: string, norm: string])[];
  readonly squeezeExcite: readonly [reduce: string, expand: string];
}

/** By wiring: torchvision for the paper's, the authors' state dicts for theirs. */
export const wiringNames: { readonly [K in ShuffleNetV2Wiring]: WiringNames } = {
  paper: {
    name: "torchvision",
    stem: (index) => [`conv1.${3 * index}`, `conv1.${3 * index + 1}`, "conv1"],
    final: ["conv5.0", "conv5.1", "conv5"],
    classifier: "fc",
    unit: (stage, position) => `stage${stage + 2}.${position}`,
    stage: (stage) => `stage${stage + 2}`,
    layers: [
      ["branch1/depthwise", "branch1.0", "branch1.1"],
      ["branch1/pointwise", "branch1.2", "branch1.3"],
      ["branch2/reduce", "branch2.0", "branch2.1"],
      ["branch2/depthwise", "branch2.3", "branch2.4"],
      ["branch2/expand", "branch2.5", "branch2.6"],
    ],
    squeezeExcite: ["se.fc1", "se.fc2"],
  },
  megvii: {
    name: "megvii",
    stem: (index) => [`first_conv.${3 * index}`, `first_conv.${3 * index + 1}`, "first_conv"],
    final: ["conv_last.0", "conv_last.1", "conv_last"],
    classifier: "classifier.0",
    unit: (_stage, _position, index) => `features.${index}`,
    layers: [
      ["shortcut/depthwise", "branch_proj.0", "branch_proj.1"],
      ["shortcut/pointwise", "branch_proj.2", "branch_proj.3"],
      ["branch/reduce", "branch_main.0", "branch_main.1"],
      ["branch/depthwise", "branch_main.3", "branch_main.4"],
      ["branch/expand", "branch_main.5", "branch_main.6"],
    ],
    squeezeExcite: ["se.fc1", "se.fc2"],
  },
  megvii_large: {
    name: "megvii",
    stem: (index) => [`first_conv.${index}.conv`, `first_conv.${index}.bn`, `first_conv.${index}`],
    final: ["conv_last.conv", "conv_last.bn", "conv_last"],
    classifier: "fc",
    // Stages 2 to 5, units a, b, c, ...: `features.1.3b`.
    unit: (stage, position) => `features.${stage}.${stage + 2}${String.fromCharCode("a".charCodeAt(0) + position)}`,
    stage: (stage) => `features.${stage}`,
    layers: [
      ["branch/reduce", "branch_main.0.conv", "branch_main.0.bn"],
      ["branch/spatial", "branch_main.1.conv", "branch_main.1.bn"],
      ["branch/expand", "branch_main.2.conv", "branch_main.2.bn"],
      ["project", "proj.conv", "proj.bn"],
      ["mix", "down.conv", "down.bn"],
    ],
    squeezeExcite: ["se_fc1", "se_fc2"],
  },
};

/** Our layers that the first unit of a stage alone has. */
export const entryLayers: ReadonlySet<string> = new Set([
  "branch1/depthwise",
  "branch1/pointwise",
  "shortcut/depthwise",
  "shortcut/pointwise",
  "project",
]);
