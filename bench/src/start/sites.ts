import type { Site } from "./site.ts";

/** A page whose start can be measured. */
interface SiteEntry {
  /** For `--help`. */
  readonly description: string;
  readonly make: (model: string) => Promise<Site>;
}

/** Pages whose start can be measured, by name: what each is, and what makes its files. */
export const sites = {
  depthwise: {
    description: "the folder that `depthwise compile` writes",
    make: async (model) => (await import("./depthwise_site.ts")).depthwiseSite(model, {}),
  },
  "depthwise-split": {
    description: "the same with `--split`: weights in a file of their own",
    make: async (model) => (await import("./depthwise_site.ts")).depthwiseSite(model, { split: true }),
  },
  "depthwise-f16": {
    description: "with `--split --weights-type f16`: half the bytes",
    make: async (model) => (await import("./depthwise_site.ts")).depthwiseSite(model, { split: true, storage: "f16" }),
  },
  "depthwise-int8": {
    description: "with `--split --weights-type int8`: a quarter of the bytes",
    make: async (model) => (await import("./depthwise_site.ts")).depthwiseSite(model, { split: true, storage: "int8" }),
  },
  "depthwise-single": {
    description: "the same with `--single`: one script that holds everything",
    make: async (model) => (await import("./depthwise_site.ts")).depthwiseSite(model, { single: true }),
  },
  litert: {
    description: "LiteRT.js and a TFLite file",
    make: async (model) => (await import("./peer_sites.ts")).litertSite(model),
  },
  "onnxruntime-web": {
    description: "ONNX Runtime Web and an ONNX file",
    make: async (model) => (await import("./peer_sites.ts")).onnxruntimeWebSite(model),
  },
  tfjs: {
    description: "TensorFlow.js, its WebAssembly backend, and a graph model",
    make: async (model) => (await import("./peer_sites.ts")).tfjsSite(model),
  },
  floor: {
    description: "fetches the weights as bytes, and no more: no page that runs the network is faster",
    make: async (model) => (await import("./peer_sites.ts")).floorSite(model),
  },
} satisfies Readonly<Record<string, SiteEntry>>;

/** Name of a page whose start can be measured. */
export type SiteName = keyof typeof sites;

/** Whether there is such a page. */
export function isSiteName(name: string): name is SiteName {
  return Object.hasOwn(sites, name);
}
