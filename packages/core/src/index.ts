export {
  DepthwiseError,
  DisposedError,
  type ErrorCode,
  type ErrorDetails,
  FormatError,
  GraphError,
  InternalError,
  IoError,
  OptionError,
  ShapeError,
  UnsupportedError,
  WeightsError,
} from "./errors.ts";
export { type ConvolutionOptions, type GraphBuilder, graphBuilder, type Value } from "./graph/builder.ts";
export {
  type Graph,
  isNode,
  type Node,
  nodeOf,
  nodesOf,
  type Output,
  type ValueId,
  verifyGraph,
} from "./graph/graph.ts";
export { initializeWeights } from "./graph/initialize.ts";
export { interpret } from "./graph/interpret.ts";
export type { Activation, Operation, OperationName, OperationOf, Padding, Pair, Window } from "./graph/operations.ts";
export { type Permutation, permutationOrder } from "./graph/permutation.ts";
export { type CropWindow, centerCrop, type PictureSize } from "./pixels/crop.ts";
export { type Pixels, pixelsFromRgba, type RgbaPixels } from "./pixels/pixels.ts";
export { fitToInput, normalize, preprocess } from "./pixels/preprocess.ts";
export {
  type ChannelOrder,
  formatPreprocessing,
  type PerChannel,
  type Preprocessing,
  parsePreprocessing,
  withInputSize,
} from "./pixels/preprocessing.ts";
export { type PreprocessingPreset, preprocessingPresets } from "./pixels/preprocessing_presets.ts";
export type { ResizeFilter } from "./pixels/resample_taps.ts";
export { type ResizeOptions, resize, resizeShortSide } from "./pixels/resize.ts";
export {
  elementCount,
  formatShape,
  type Shape,
  sameShape,
  type Tensor,
  tensor,
  toFloat32,
  type Weights,
} from "./tensor.ts";
