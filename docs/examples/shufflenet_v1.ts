import { build, describe, listVariants } from "depthwise";

// Table 1: the same budget with more groups buys more channels.
for (const { name } of listVariants("shufflenet_v1").filter((variant) => /_1\.0_g\d$/.test(variant.name))) {
  const { macs, blocks } = describe(build(name));
  console.log(name, `${(macs / 1e6).toFixed(0)} million`, `${blocks.at(-4)?.output.at(-1)} channels in the last stage`);
}
