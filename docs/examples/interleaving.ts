import { bestBranchSizes, interleavedCost, interleavedLayers, optimalLayers } from "depthwise";

for (const channels of [64, 96, 256]) {
  const sizes = bestBranchSizes(channels);
  const dense = 9 * channels * channels;
  console.log(
    `${channels} channels: branches of ${sizes.join(", ")}; ${interleavedCost(channels, sizes)} weights against ${dense};`,
    `about ${optimalLayers(channels).real.toFixed(1)} layers would be best`,
  );
}
console.log(interleavedLayers(12, [3, 2, 2]).map(({ groups }) => `${groups} groups`));
