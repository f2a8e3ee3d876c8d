import { type PackOptions, packModel } from "../../../packages/depthwise/src/standalone/pack_model.ts";
import { bundleScript, pageFile, type Site, seededModel } from "./site.ts";

/** What rounding of weights may do to outputs, beyond what sums in another order do. */
const roundingOf = { f32: 0, f16: 1e-2, int8: 0.5 } as const;

/** A page beside the folder that `depthwise compile` writes. */
export async function depthwiseSite(
  model: string,
  options: Pick<PackOptions, "split" | "single" | "storage">,
): Promise<Site> {
  const { network, graph, weights } = seededModel(model);
  const folder = await packModel(network, weights, { ...options, compiler: "depthwise" });
  const files = new Map([...(await bundleScript("depthwise")), ["/", pageFile(graph)]]);
  for (const [name, bytes] of folder) files.set(`/${name}`, bytes);
  const holder = options.split ? "/model.weights" : options.single ? "/model.mjs" : "/model.wasm";
  return {
    version: "this checkout",
    files,
    weightFiles: new Set([holder]),
    isCodeApart: options.split === true,
    rounding: roundingOf[options.storage ?? "f32"],
  };
}
