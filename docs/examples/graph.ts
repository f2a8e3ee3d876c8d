import { graphBuilder, initializeWeights, interpret, ShapeError } from "depthwise";

const builder = graphBuilder("tiny");
const input = builder.input("input", [1, 8, 8, 6]);
const grouped = builder.convolution("grouped", input, { channels: 12, groups: 3 });
const shuffled = builder.permute("shuffle", grouped, { kind: "shuffle", groups: 3 });
const graph = builder.build({ output: builder.globalAveragePool("mean", shuffled) });

const { outputs } = interpret(graph, initializeWeights(graph), { input: new Float32Array(8 * 8 * 6).fill(1) });
console.log("outputs:", Object.keys(outputs).join(", "));

try {
  builder.convolution("wrong", input, { channels: 12, groups: 4 });
} catch (error) {
  if (error instanceof ShapeError) console.log(error.message);
}
