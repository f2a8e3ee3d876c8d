import { build, describe } from "depthwise";

// From the first variant to the fifth, units move to later stages.
for (const name of ["squeezenext_1.0_23", "squeezenext_1.0_23_v2", "squeezenext_1.0_23_v5"]) {
  const { blocks, macs } = describe(build(name));
  const units = [1, 2, 3, 4].map((stage) => blocks.filter((block) => block.name.startsWith(`stage${stage}/`)).length);
  console.log(name, `units ${units.join(", ")}`, `${(macs / 1e6).toFixed(0)} million multiply-accumulates`);
}
