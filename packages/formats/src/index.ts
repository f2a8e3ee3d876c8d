export { type OnnxOptions, writeOnnx } from "./onnx/write_onnx.ts";
export { type TfliteWriteOptions, writeTflite } from "./tflite/write_tflite.ts";
