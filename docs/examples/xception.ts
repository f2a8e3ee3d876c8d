import { build, describe, describeReplaced } from "depthwise";

const network = build("xception");
const { parameters, macs } = describe(network);
const { after } = describeReplaced(network, ["depthwise=standard"]);
console.log(
  `${(parameters / 1e6).toFixed(1)} million parameters, ${(macs / 1e9).toFixed(1)} thousand million multiply-accumulates`,
);
console.log(`with standard convolutions: ${(after.parameters / 1e6).toFixed(1)} million parameters`);
