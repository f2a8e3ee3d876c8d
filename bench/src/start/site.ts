import { fileURLToPath } from "node:url";
import { build, type Graph, initializeWeights, type Weights } from "@depthwise/core";
import { build as bundle } from "vite";
import { inputShape } from "../peers/onnx_input.ts";

/** Everything that a server has of a page, by path. The page is `/`. */
export interface Site {
  /** Of the runtime; undefined where there is none, and so no output. */
  readonly version: string | undefined;
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Files that hold the network's weights. */
  readonly weightFiles: ReadonlySet<string>;
  /** Whether those hold no code: then it makes sense to say what the others weigh. */
  readonly isCodeApart: boolean;
  /** How far outputs may be off because weights are stored rounded, of the largest value. Default 0. */
  readonly rounding?: number;
}

/** A network with the weights that every site has. */
export function seededModel(model: string): {
  readonly network: ReturnType<typeof build>;
  readonly graph: Graph;
  readonly weights: Weights;
} {
  const network = build(model);
  return { network, graph: network.graph, weights: initializeWeights(network.graph, 0) };
}

/** The page: a script, and the shape of the picture that it is to run. */
export function pageFile(graph: Graph): Uint8Array {
  return new TextEncoder().encode(`<!doctype html>
<title>First result</title>
<link rel="icon" href="data:,">
<script type="application/json" id="shape">${JSON.stringify(inputShape(graph))}</script>
<script type="module" src="./page.js"></script>
`);
}

/** A page's script with all that it imports, bundled and minified as one ships it. */
export async function bundleScript(name: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const result = await bundle({
    configFile: false,
    envFile: false,
    publicDir: false,
    logLevel: "silent",
    base: "./",
    build: {
      write: false,
      minify: true,
      target: "esnext",
      modulePreload: false,
      rolldownOptions: {
        input: fileURLToPath(new URL(`./pages/${name}.ts`, import.meta.url)),
        external: ["./model.mjs"],
        output: { entryFileNames: "page.js" },
      },
    },
  });
  const outputs = Array.isArray(result) ? result : "output" in result ? [result] : [];
  return new Map(
    outputs
      .flatMap(({ output }) => output)
      .map((item) => [`/${item.fileName}`, Buffer.from(item.type === "chunk" ? item.code : item.source)]),
  );
}
