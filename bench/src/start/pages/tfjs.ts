import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import { picture, reportFirstResult, shape } from "./first_result.ts";

reportFirstResult(async () => {
  setWasmPaths("./");
  setThreadsCount(1);
  // The model is fetched while the backend starts.
  const files = loadFiles();
  await tf.setBackend("wasm");
  const model = await loadGraphModel(tf.io.fromMemory(await files));
  return () => {
    const output = model.predict(tf.tensor(picture(), [...shape()])) as tf.Tensor;
    return output.dataSync<"float32">();
  };
});

async function loadFiles(): Promise<tf.io.ModelArtifacts> {
  return (await tf.io.browserHTTPRequest("./model.json").load?.()) as tf.io.ModelArtifacts;
}
