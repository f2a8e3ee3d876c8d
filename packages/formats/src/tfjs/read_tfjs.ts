import { FormatError, IoError, verifyGraph } from "@depthwise/core";
import type { ForeignModel } from "../foreign_model.ts";
import { namedErrors } from "../importer/named_errors.ts";
import { memoryBudget } from "../memory_budget.ts";
import { ForeignWeights } from "./foreign_weights.ts";
import { field, objectField, parseJson } from "./json_value.ts";
import { readGraphModel } from "./read_graph.ts";
import { readLayersModel } from "./read_layers.ts";
import { decodeWeights, parseManifest } from "./weights_manifest.ts";

/** Options of `readTfjs`. */
export interface ReadTfjsOptions {
  /** The file's name, for messages. */
  readonly file?: string | undefined;
  /** Reads a file that lies beside `model.json`: the shards of the weights. Names are relative, and never lead out of the folder. */
  readonly readBeside?: ((name: string) => Promise<Uint8Array>) | undefined;
}

/**
 * Reads a TensorFlow.js model from its `model.json` and the shards beside it: layers models (Keras), Sequential and nested ones included, and
 * graph models (frozen GraphDefs), as far as they are made of operations that ours are.
 *
 * Pictures are `[N, H, W, C]` there too; an open batch is 1. Weights quantised to uint8 or uint16 become the float32 numbers that they stand
 * for, those of float16 stay so in `tensors`. Nodes are named after the file's layers and nodes.
 *
 * @throws {FormatError} if the files are not such a model, contradict themselves, or ask for weights outside their folder
 * @throws {UnsupportedError} naming the layer or node that no operation of ours is
 * @throws {IoError} if the weights are elsewhere and there is no `readBeside`; and what that throws
 */
export async function readTfjs(modelJson: Uint8Array, options: ReadTfjsOptions = {}): Promise<ForeignModel> {
  const { file, readBeside } = options;
  const paths = namedErrors(undefined, file, () => tfjsShards(modelJson));
  const shards = new Map<string, Uint8Array>();
  for (const path of paths) {
    if (readBeside === undefined) {
      throw new IoError(`The model's weights are in "${path}" beside it, which cannot be read from here.`, {
        ...(file === undefined ? {} : { file }),
      });
    }
    shards.set(path, await readBeside(path));
  }
  return readTfjsFiles(modelJson, shards, file);
}

/** The shards that a `model.json` names, in order, each once. */
function tfjsShards(modelJson: Uint8Array): readonly string[] {
  return [...new Set(parseManifest(parseJson(modelJson, undefined)).flatMap(({ paths }) => paths))];
}

/**
 * The same from files that are there already.
 *
 * @throws as {@link readTfjs}
 */
export function readTfjsFiles(
  modelJson: Uint8Array,
  shards: ReadonlyMap<string, Uint8Array>,
  file?: string,
): ForeignModel {
  return namedErrors(undefined, file, () => {
    const model = parseJson(modelJson, file);
    const groups = parseManifest(model);
    const shardOf = (path: string): Uint8Array => {
      const shard = shards.get(path);
      if (shard === undefined) throw new FormatError(`The weights "${path}" are missing.`);
      return shard;
    };
    // Decoded weights of uint8 take four times what they take in the file.
    const { tensors, budget } = decodeWeights(groups, shardOf, (bytes) => memoryBudget(modelJson.length + bytes, file));
    const weights = new ForeignWeights(tensors, budget);
    const isGraph = field(objectField(model, "modelTopology"), "node") !== undefined;
    const network = isGraph
      ? readGraphModel(model, weights, budget)
      : readLayersModel(model, tensors.keys(), weights, budget);
    verifyGraph(network.graph);
    return { format: "tfjs", tensors, network };
  });
}
