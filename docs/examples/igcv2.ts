import { build, describeConnections } from "depthwise";

// `branches` makes every stage strict: the sizes multiply to its width.
const strict = build("igcv2", {
  smallStem: true,
  resolution: 32,
  channels: 64,
  branches: [8, 8],
  depth: 8,
  classes: 10,
});
for (const { block, inputs, minPaths, maxPaths } of describeConnections(strict.graph)) {
  console.log(block, `${inputs} channels, ${minPaths} to ${maxPaths} paths`);
}
