/** Writes what ONNX Runtime gives for the readers' cases: `npm run goldens`, then `npm run format` at the root, after a change of the cases. */
import { writeFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { caseInput, caseShape, onnxCases } from "../../packages/formats/src/testing/onnx_cases.ts";
import { onnxFile } from "../../packages/formats/src/testing/onnx_file.ts";

const target = new URL("../../packages/formats/src/testing/onnx.golden.json", import.meta.url);
const goldens: Record<string, { dims: readonly number[]; values: number[] }> = {};
for (const [name, spec] of Object.entries(onnxCases)) {
  const session = await ort.InferenceSession.create(onnxFile(spec), {
    logSeverityLevel: 3,
    graphOptimizationLevel: "disabled",
  });
  const dims = [...caseShape(spec)];
  const values = caseInput(dims, 5, spec.inputType);
  const input =
    spec.inputType === 2
      ? new ort.Tensor("uint8", Uint8Array.from(values), dims)
      : new ort.Tensor("float32", Float32Array.from(values), dims);
  const { y } = await session.run({ x: input });
  if (y === undefined) throw new TypeError(`${name} has no output`);
  const numbers = Array.from(y.data as Float32Array, (value) => Number(value.toPrecision(8)));
  goldens[name] = { dims: y.dims, values: numbers };
  await session.release();
}
const lines = Object.entries(goldens).map(([name, golden]) => `  ${JSON.stringify(name)}: ${JSON.stringify(golden)}`);
const source = `ONNX Runtime ${ort.env.versions.node ?? ""}, without graph optimisations`;
writeFileSync(target, `{\n  "source": ${JSON.stringify(source)},\n${lines.join(",\n")}\n}\n`);
