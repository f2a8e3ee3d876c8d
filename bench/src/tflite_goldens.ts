/** Writes what LiteRT gives for the readers' cases: `npm run goldens`, then `npm run format` at the root, after a change of the cases. */
import { writeFileSync } from "node:fs";
import { numbers } from "../../packages/formats/src/testing/onnx_cases.ts";
import { tfliteCases } from "../../packages/formats/src/testing/tflite_cases.ts";
import { tfliteFile } from "../../packages/formats/src/testing/tflite_file.ts";
import { loadLitert } from "./peers/load_litert.ts";

const target = new URL("../../packages/formats/src/testing/tflite.golden.json", import.meta.url);
const { loadAndCompile, Tensor } = await loadLitert(1);
const lines: string[] = [];
for (const [name, { spec }] of Object.entries(tfliteCases)) {
  const model = await loadAndCompile(tfliteFile(spec), { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
  const shape = [...(spec.tensors.x?.shape ?? [])];
  const count = shape.reduce((product, length) => product * length, 1);
  const input = new Tensor(Float32Array.from(numbers(count, 5)), shape);
  const [output] = await model.run([input]);
  if (output === undefined) throw new TypeError(`${name} has no output`);
  const values = Array.from(output.toTypedArray() as Float32Array, (value) => Number(value.toPrecision(8)));
  lines.push(`  ${JSON.stringify(name)}: ${JSON.stringify(values)}`);
  for (const tensor of [input, output]) tensor.delete();
  model.delete();
}
writeFileSync(target, `{\n${lines.join(",\n")}\n}\n`);
