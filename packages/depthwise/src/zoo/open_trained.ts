import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { readNetwork } from "@depthwise/core";
import { recordUrl, type TrainedNetwork, type TrainingRecord, weightsUrl } from "@depthwise/zoo";
import { readBytes } from "../command_line/read_bytes.ts";
import type { OpenedModel } from "../open_model.ts";

/**
 * A network of the zoo with its trained weights, labels and preprocessing.
 *
 * @throws {IoError | FormatError} if the package's file is not there, or not whole
 */
export async function openTrained(name: TrainedNetwork): Promise<OpenedModel> {
  const file = fileURLToPath(weightsUrl(name));
  const { network, weights } = readNetwork(await readBytes(file), { file });
  return { network, weights };
}

/** How it was trained, and how good it is. */
export async function trainingRecord(name: TrainedNetwork): Promise<TrainingRecord> {
  return JSON.parse(await readFile(recordUrl(name), "utf8"));
}
