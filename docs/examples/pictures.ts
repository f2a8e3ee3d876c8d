import { build, drawBlock, drawNetwork } from "depthwise";

const network = build("shufflenet_v2_1.0");
const all = drawNetwork(network, { width: 900 });
const unit = drawBlock(network, "stage2/unit2");
console.log(all.slice(0, 4), unit.slice(0, 4));
