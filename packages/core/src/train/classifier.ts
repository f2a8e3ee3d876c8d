import { type CompileOptions, compile } from "../compiler/compile.ts";
import type { Network } from "../networks/network.ts";
import type { PortManifest } from "../runtime/manifest.ts";
import { load } from "../runtime/model.ts";
import { softmax } from "./class_scores.ts";

/** A network's compiled inference module, asked picture by picture. */
export interface Classifier {
  readonly classes: number;
  /** Probabilities of the classes for one of the pictures `[N, H, W, C]`; valid until the next call. */
  classify(pictures: Float32Array, row: number): Float32Array;
  dispose(): void;
}

/** @throws {WeightsError} if the weights do not fit */
export async function loadClassifier(
  network: Network,
  options: Pick<CompileOptions, "weights" | "threads" | "wide" | "simd">,
): Promise<Classifier> {
  const model = await load(compile(network, options), { warn: () => {} });
  const { inputs, outputs } = model.manifest;
  const [input, output] = [inputs[0], outputs[0]] as [PortManifest, PortManifest];
  const probabilities = new Float32Array(output.elements);
  return {
    classes: output.elements,
    classify(pictures, row) {
      model.input(input.name).set(pictures.subarray(row * input.elements, (row + 1) * input.elements));
      model.execute();
      softmax(model.output(output.name), probabilities);
      return probabilities;
    },
    dispose: () => model.dispose(),
  };
}
