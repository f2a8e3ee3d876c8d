import { readFileSync } from "node:fs";
import { writeOnnx, writeTfjs, writeTflite } from "@depthwise/formats";
import { fileOf, versionOf } from "../peers/versions.ts";
import { bundleScript, pageFile, type Site, seededModel } from "./site.ts";

/** LiteRT.js loads its own script and module from a folder. */
export async function litertSite(model: string): Promise<Site> {
  const { graph, weights } = seededModel(model);
  const names = ["litert_wasm_internal.js", "litert_wasm_internal.wasm"];
  return {
    version: versionOf("@litertjs/core"),
    files: new Map([
      ...(await bundleScript("litert")),
      ["/", pageFile(graph)],
      ...names.map((name) => [`/litert/${name}`, readFileSync(fileOf("@litertjs/core", `wasm/${name}`))] as const),
      ["/model.tflite", writeTflite(graph, weights)],
    ]),
    weightFiles: new Set(["/model.tflite"]),
    isCodeApart: true,
  };
}

/** ONNX Runtime Web's bundle for CPUs, which has the module's script inside. */
export async function onnxruntimeWebSite(model: string): Promise<Site> {
  const { graph, weights } = seededModel(model);
  const module = fileOf("onnxruntime-web", "dist/ort-wasm-simd-threaded.wasm");
  return {
    version: versionOf("onnxruntime-web"),
    files: new Map([
      ...(await bundleScript("onnxruntime_web")),
      ["/", pageFile(graph)],
      ["/ort-wasm-simd-threaded.wasm", readFileSync(module)],
      ["/model.onnx", writeOnnx(graph, weights)],
    ]),
    weightFiles: new Set(["/model.onnx"]),
    isCodeApart: true,
  };
}

/** TensorFlow.js with what loads a graph model. */
export async function tfjsSite(model: string): Promise<Site> {
  const { graph, weights } = seededModel(model);
  const { modelJson, weights: numbers } = writeTfjs(graph, weights);
  const module = fileOf("@tensorflow/tfjs-backend-wasm", "dist/tfjs-backend-wasm-simd.wasm");
  return {
    version: versionOf("@tensorflow/tfjs-core"),
    files: new Map([
      ...(await bundleScript("tfjs")),
      ["/", pageFile(graph)],
      ["/tfjs-backend-wasm-simd.wasm", readFileSync(module)],
      ["/model.json", modelJson],
      ["/weights.bin", numbers],
    ]),
    weightFiles: new Set(["/weights.bin"]),
    isCodeApart: true,
  };
}

/** A page that does nothing with the weights. */
export async function floorSite(model: string): Promise<Site> {
  const { graph, weights } = seededModel(model);
  return {
    version: undefined,
    files: new Map([
      ...(await bundleScript("floor")),
      ["/", pageFile(graph)],
      ["/weights.bin", writeTfjs(graph, weights).weights],
    ]),
    weightFiles: new Set(["/weights.bin"]),
    isCodeApart: true,
  };
}
