import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";

/** What TensorFlow.js calls for the gradient of a convolution's kernel (its `Conv2D_grad.ts` and `DepthwiseConv2dNative_grad.ts`). */
const needed = [tf.Conv2DBackpropFilter, tf.DepthwiseConv2dNativeBackpropFilter];

/** Kernels that TensorFlow.js needs to train a convolution, and its WebAssembly backend does not have. */
export async function kernelsThatTfjsLacks(): Promise<readonly string[]> {
  await tf.setBackend("wasm");
  await tf.ready();
  const registered = new Set(tf.getKernelsForBackend("wasm").map(({ kernelName }) => kernelName));
  if (!registered.has(tf.Conv2D)) throw new Error("TensorFlow.js has not registered its WebAssembly kernels.");
  return needed.filter((kernel) => !registered.has(kernel));
}
