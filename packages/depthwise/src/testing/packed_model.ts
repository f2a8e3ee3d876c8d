import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, initializeWeights, type Network } from "@depthwise/core";
import { type PackOptions, packModel } from "../standalone/pack_model.ts";

/** A small network with named classes. */
export const smallNetwork: Network = {
  ...build("mobilenet_v2_cifar"),
  labels: ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", 'truck "</script>"'],
};

/** A folder that is taken away again. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), "depthwise-standalone-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** The small network's files. */
export function packSmall(options: Partial<PackOptions> = {}): ReturnType<typeof packModel> {
  return packModel(smallNetwork, initializeWeights(smallNetwork.graph, 7), { compiler: "depthwise test", ...options });
}

export async function writeFiles(folder: string, files: ReadonlyMap<string, Uint8Array | string>): Promise<void> {
  for (const [name, content] of files) await writeFile(join(folder, name), content);
}
