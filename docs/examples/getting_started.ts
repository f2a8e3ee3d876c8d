import { build, compile, describe, load } from "depthwise";

const network = build("mobilenet_v2", { width: 0.5, resolution: 160, classes: 10 }); // or build("mobilenet_v2_0.5_160")
console.log(describe(network).macs, "multiply-accumulates of one picture");

const compiled = compile(network); // a WebAssembly module and its manifest; weights drawn from a seed unless given
const model = await load(compiled); // the same call in Node, a page or a worker
const { output } = model.run({ input: new Float32Array(160 * 160 * 3) }); // [N, H, W, C] in, logits out
console.log(output?.length, "logits");
model[Symbol.dispose]();
