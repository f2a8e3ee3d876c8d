import * as ort from "onnxruntime-web/wasm";
import { fetchBytes, picture, reportFirstResult, shape } from "./first_result.ts";

reportFirstResult(async () => {
  const bytes = fetchBytes("./model.onnx");
  Object.assign(ort.env.wasm, {
    numThreads: 1,
    wasmPaths: { wasm: new URL("./ort-wasm-simd-threaded.wasm", location.href).href },
  });
  const session = await ort.InferenceSession.create(await bytes, { executionProviders: ["wasm"] });
  return async () => {
    const [, height, width, channels] = shape();
    const input = new ort.Tensor("float32", picture("channels first"), [1, channels, height, width]);
    return (await session.run({ input })).output?.data as Float32Array;
  };
});
