export { type OnnxOptions, writeOnnx } from "./onnx/write_onnx.ts";
export { type ReadPytorchOptions, readPytorch } from "./pytorch/read_pytorch.ts";
export { type WritePytorchOptions, writePytorch } from "./pytorch/write_pytorch.ts";
export { type TfliteWriteOptions, writeTflite } from "./tflite/write_tflite.ts";
