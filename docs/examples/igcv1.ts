import { build, describeConnections, interleavedGroupWeights, isWiderThanDense } from "depthwise";

const [block] = describeConnections(build("igcv1_l24m2_cifar").graph);
console.log(
  `${block?.inputs} channels, ${block?.minPaths} to ${block?.maxPaths} path, complementary: ${block?.complementary}`,
);
console.log(
  `${interleavedGroupWeights(24, 2)} weights; wider than a dense one of equal cost: ${isWiderThanDense(24, 2)}`,
);
