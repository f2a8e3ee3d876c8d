import { compile } from "../compiler/compile.ts";
import { load } from "../runtime/model.ts";
import { initializeForTraining } from "../train/initialize_for_training.ts";
import { defaultRecipe } from "../train/recipe.ts";
import { type EpochRecord, train } from "../train/train.ts";
import { shapesData, shapesNetwork } from "./small_training.ts";

/** What a page or a worker reached. */
export interface TrainedInPage {
  readonly records: readonly EpochRecord[];
  /** How often others got a turn while it trained. */
  readonly turns: number;
  /** Of the trained network, compiled and loaded where it was trained, on a black picture. */
  readonly logits: readonly number[];
}

/** Trains on drawn shapes, in memory, where it is called. */
export async function trainOnShapes(pictures: number, epochs: number, threads: number): Promise<TrainedInPage> {
  const network = shapesNetwork();
  const recipe = { ...defaultRecipe, epochs, averageDecay: 0.95 };
  const data = shapesData(network, recipe, { train: pictures, validation: 500 });
  let turns = 0;
  const timer = setInterval(() => turns++, 20);
  const records: EpochRecord[] = [];
  let weights = initializeForTraining(network.graph, 0);
  for await (const result of train(network, data, recipe, { weights, threads })) {
    records.push(result.record);
    weights = result.weights();
  }
  clearInterval(timer);
  const model = await load(compile(network, { weights }));
  const { output } = model.run({ input: new Float32Array(32 * 32 * 3) });
  return { records, turns, logits: [...(output as Float32Array)] };
}

/** The same in a worker. */
export function trainOnShapesInWorker(pictures: number, epochs: number): Promise<TrainedInPage> {
  const worker = new Worker(new URL("./train_worker.ts", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<TrainedInPage>) => resolve(data);
    worker.onerror = ({ message }) => reject(new TypeError(message));
    worker.postMessage([pictures, epochs]);
  });
}
