import { build, composeKernel, initializeWeights } from "depthwise";

const { graph } = build("igcv2_c64_cifar");
const { kernel } = composeKernel(graph, initializeWeights(graph), "stem/activation", "stage1/unit1/block1/shuffle2");
const nonZero = (kernel.data as Float32Array).filter((weight) => weight !== 0).length;
console.log(`[${kernel.shape.join(", ")}]: ${nonZero} of ${kernel.data.length} weights are not zero`);
