import { build, describe } from "depthwise";

const { layers, memoryAccessBytes, peakActivationBytes } = describe(build("mobilenet_v2_1.0_224"));
const dearest = layers.reduce((most, layer) => (layer.macs > most.macs ? layer : most));
console.log(`dearest layer: ${dearest.name}, ${dearest.macs} multiply-accumulates`);
console.log(`memory access if every operation ran by itself: ${memoryAccessBytes} bytes`);
console.log(`most activations alive at a time: ${peakActivationBytes} bytes`);
