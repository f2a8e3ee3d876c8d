export { type OnnxOptions, writeOnnx } from "./onnx/write_onnx.ts";
