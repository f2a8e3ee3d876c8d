export { type ReadCaffeOptions, readCaffe } from "./caffe/read_caffe.ts";
export type { ForeignModel, FormatName } from "./foreign_model.ts";
export { type ReadOnnxOptions, readOnnx } from "./onnx/read_onnx.ts";
export { type OnnxOptions, writeOnnx } from "./onnx/write_onnx.ts";
export { type ReadPytorchOptions, readPytorch } from "./pytorch/read_pytorch.ts";
export { type WritePytorchOptions, writePytorch } from "./pytorch/write_pytorch.ts";
export { formatOf, type ReadModelOptions, readModel } from "./read_model.ts";
export { dropBackground } from "./recognize/drop_background.ts";
export { type PlainNetwork, plainNetwork } from "./recognize/plain_network.ts";
export {
  matchGraph,
  pictureOptionsOf,
  type RecognizedGraph,
  type RecognizeGraphOptions,
  recognizeGraph,
} from "./recognize/recognize_graph.ts";
export {
  type NearestNetwork,
  type RecognizedTensors,
  type RecognizeTensorsOptions,
  recognizeTensors,
  type TensorRecognition,
} from "./recognize/recognize_tensors.ts";
export { type ReadTfjsOptions, readTfjs } from "./tfjs/read_tfjs.ts";
export { type TfjsFiles, type WriteTfjsOptions, writeTfjs } from "./tfjs/write_tfjs.ts";
export { type ReadTfliteOptions, readTflite } from "./tflite/read_tflite.ts";
export { type TfliteWriteOptions, writeTflite } from "./tflite/write_tflite.ts";
