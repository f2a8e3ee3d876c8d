import { build, describe } from "depthwise";

// Guideline 1: with equal widths a 1x1 convolution meets the bound of its memory access.
const { layers } = describe(build("shufflenet_v2_1.0"));
for (const name of ["stage2/unit2/branch2/reduce", "stage2/unit1/branch2/reduce", "final"]) {
  const layer = layers.find((each) => each.name === name);
  console.log(name, ((layer?.memoryAccessBytes ?? 0) / (layer?.lowerBoundBytes ?? 1)).toFixed(3), "times the bound");
}
