export * from "@depthwise/core";
export * from "@depthwise/core/networks";
export * from "@depthwise/formats";
export { bestClasses, type ClassScore } from "./classification/best_classes.ts";
export { type ClassifyOptions, classifyPictures, type PictureResult } from "./classification/classify_pictures.ts";
export {
  type DataSet,
  type DataSummary,
  type PictureFiles,
  type PictureSet,
  summarizeData,
} from "./data/data_set.ts";
export { createLoader, type Loader, type LoaderOptions } from "./data/loader.ts";
export { type OpenDataOptions, openData } from "./data/open_data.ts";
export {
  type LayerTime,
  type Measurement,
  type MeasureOptions,
  measureModels,
  type Subject,
} from "./measuring/measure_models.ts";
export type { Spread } from "./measuring/statistics.ts";
export { type DecodeOptions, decodePicture } from "./pictures/decode_picture.ts";
export { listPictures, type PictureList, type SkippedFile } from "./pictures/list_pictures.ts";
export type { Certificate, CertifiedBuild } from "./standalone/certificate.ts";
export { type PackOptions, packModel } from "./standalone/pack_model.ts";
export { type Check, type Verification, verifyModel } from "./standalone/verify_model.ts";
