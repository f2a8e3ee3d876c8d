import { build, describeReplaced } from "depthwise";

// Table 4: MobileNet with standard convolutions.
const { before, after, replaced } = describeReplaced(build("mobilenet_v1_1.0_224"), ["depthwise=standard"]);
console.log(`${(after.macs / 1e6).toFixed(0)} million multiply-accumulates become ${(before.macs / 1e6).toFixed(0)}`);
const [first] = replaced;
console.log(`${first?.name}: ${first?.ratio.toFixed(4)} counted, ${first?.predicted.toFixed(4)} by ${first?.formula}`);
