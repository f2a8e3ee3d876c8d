import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { fetchBytes, picture, reportFirstResult, shape } from "./first_result.ts";

reportFirstResult(async () => {
  const bytes = fetchBytes("./model.tflite");
  await loadLiteRt("./litert/", { threads: false });
  const model = await loadAndCompile(await bytes, { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
  return async () => {
    const [output] = await model.run(new Tensor(picture(), [...shape()]));
    return output?.toTypedArray() as Float32Array;
  };
});
