import { FormatError, WeightsError } from "../errors.ts";
import { graphToJson } from "../graph/json.ts";
import type { Network } from "../networks/network.ts";
import { formatPreprocessing } from "../pixels/preprocessing.ts";

/** What a model file's metadata says about its network, each value a string as the format wants it. */
export interface ModelMetadata {
  /** Version of these keys. */
  readonly depthwise: "1";
  readonly network: string;
  readonly family?: string;
  /** JSON of the graph, for a network of no family. */
  readonly graph?: string;
  /** JSON of `network.options`. */
  readonly options: string;
  /** JSON of the class names in index order. */
  readonly labels?: string;
  /** JSON of `network.preprocessing`. */
  readonly preprocessing: string;
}

/** A network as metadata of its weights, so that one file holds everything needed to use it. */
export function modelMetadata(network: Network): Readonly<Record<string, string>> {
  const metadata: ModelMetadata = {
    depthwise: "1",
    network: network.name,
    ...(network.family === undefined
      ? { graph: JSON.stringify(graphToJson(network.graph)) }
      : { family: network.family }),
    options: JSON.stringify(network.options),
    ...(network.labels === undefined ? {} : { labels: JSON.stringify(network.labels) }),
    preprocessing: formatPreprocessing(network.preprocessing),
  };
  return { ...metadata };
}

/** Options that leave the function of the same weights alone, or that shapes show. */
const harmlessOptions: ReadonlySet<string> = new Set(["resolution", "batch", "inputChannels", "classes", "dropout"]);

/**
 * Refuses weights of our own files that were made for another function of the same shapes: another wiring, padding or epsilon.
 *
 * @throws {WeightsError} naming the option and both values
 */
export function checkOrigin(
  metadata: Readonly<Record<string, string>>,
  network: Network,
  file: string | undefined,
): void {
  if (metadata.depthwise === undefined || metadata.family !== network.family || network.family === undefined) return;
  for (const [name, value] of Object.entries(parseOptions(metadata, file))) {
    const [theirs, ours] = [JSON.stringify(value), JSON.stringify(network.options[name])];
    if (ours === undefined || theirs === ours || harmlessOptions.has(name)) continue;
    throw new WeightsError(
      `The weights were made with ${name} ${theirs}, but ${network.name} has ${name} ${ours}: the same shapes, another function.`,
      {
        hint: `Build the network with ${name}: ${theirs}.`,
        ...(file === undefined ? {} : { file }),
      },
    );
  }
}

/**
 * The options in a model file's metadata, not yet checked against a family's rules.
 *
 * @throws {FormatError} if they are not an object in JSON
 */
export function parseOptions(
  metadata: Readonly<Record<string, string>>,
  file: string | undefined,
): Readonly<Record<string, unknown>> {
  const options = parseJson("options", metadata.options ?? "", file);
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new FormatError(
      `Metadata "options": expected an object, received ${JSON.stringify(options)}.`,
      file === undefined ? {} : { file },
    );
  }
  return options as Readonly<Record<string, unknown>>;
}

/** @throws {FormatError} naming the key */
export function parseJson(key: string, text: string, file: string | undefined): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`Metadata "${key}": expected JSON, received ${JSON.stringify(text.slice(0, 60))}.`, {
      cause,
      ...(file === undefined ? {} : { file }),
    });
  }
}
