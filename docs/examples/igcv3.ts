import { build, describe, describeConnections } from "depthwise";

const igcv3 = build("igcv3_d_1.0");
for (const network of [igcv3, build("mobilenet_v2_1.0_224")]) {
  const { name, depth, macs } = describe(network);
  console.log(name, `depth ${depth}`, `${(macs / 1e6).toFixed(0)} million multiply-accumulates`);
}
const unit = describeConnections(igcv3.graph).find(({ block }) => block === "stage2/unit2");
console.log(`${unit?.minPaths} paths for every pair of channels, ${unit?.superchannels} super-channels`);
