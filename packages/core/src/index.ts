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
