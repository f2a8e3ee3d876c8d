export {
  type Augmentation,
  type AugmentationPreset,
  augmentationPresets,
  type ColorJitter,
  type TrainingCrop,
} from "./augment/augmentation.ts";
export { type CompileOptions, compile } from "./compiler/compile.ts";
export { describePlan, type Plan, type PlannedBuffer, type PlannedStep } from "./compiler/describe_plan.ts";
export { type Ceiling, createCeiling } from "./compiler/measure_ceiling.ts";
export { type TuneOptions, tune } from "./compiler/tune.ts";
export { type MeasuredBands, mergeTunings, type Tile, type Tuning } from "./compiler/tuning.ts";
export type { WeightType } from "./compiler/weight_storage.ts";
export { type ComposedKernel, composeKernel } from "./cost/composed_kernel.ts";
export { type BlockConnections, describeConnections } from "./cost/connections.ts";
export { type Description, describe } from "./cost/describe.ts";
export { countPaths, type PathCount, pathMatrix } from "./cost/paths.ts";
export {
  describeReplaced,
  type ReplacedConvolution,
  type Replacement,
  replacements,
  type WhatIf,
} from "./cost/replace.ts";
export {
  type Batch,
  type BatchMemory,
  type BatchSettings,
  type BatchWriter,
  createBatchWriter,
  type PictureDraw,
} from "./datasets/batch_writer.ts";
export { type BatchesInMemoryOptions, batchesInMemory, pictureAt } from "./datasets/batches_in_memory.ts";
export {
  type Balance,
  drawEpoch,
  drawInOrder,
  type EasyPictures,
  type EpochDraws,
  type EpochSettings,
  type PictureHistory,
  trainingBatches,
} from "./datasets/epoch_draws.ts";
export {
  countClasses,
  type LabeledSet,
  type PicturesInMemory,
  picturesInMemory,
} from "./datasets/pictures_in_memory.ts";
export { drawShape, drawShapes, type ShapeOptions, type ShapeSplit, shapeLabels } from "./datasets/shapes.ts";
export { type Split, splitClasses } from "./datasets/split_classes.ts";
export { drawBlock } from "./draw/draw_block.ts";
export { type DrawNetworkOptions, drawNetwork } from "./draw/draw_network.ts";
export { type DrawWiringOptions, drawWiring } from "./draw/draw_wiring.ts";
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
  findNode,
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
export {
  type Activation,
  type Operation,
  type OperationName,
  type OperationOf,
  type Padding,
  type Pair,
  plainConvolution,
  type Window,
} from "./graph/operations.ts";
export { type Permutation, permutationOrder } from "./graph/permutation.ts";
export { build, listVariants } from "./networks/build.ts";
export type { Network } from "./networks/network.ts";
export { runPasses } from "./passes/pipeline.ts";
export { type Program, toProgram } from "./passes/program.ts";
export { type CropWindow, centerCrop, type PictureSize } from "./pixels/crop.ts";
export { type Pixels, pixelsFromRgba, type RgbaPixels } from "./pixels/pixels.ts";
export { fitToInput, isFitted, normalize, preprocess } from "./pixels/preprocess.ts";
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
export type { Compiled, Manifest, PortManifest, StepManifest } from "./runtime/manifest.ts";
export { type LoadOptions, load, type Model, type StepTime } from "./runtime/model.ts";
export { loadWeights, type ReadWeightsOptions, readWeights } from "./safetensors/load_weights.ts";
export { type ExpectedTensor, matchNames, type NameMatch } from "./safetensors/match_names.ts";
export {
  exchangeTensors,
  type ModelFile,
  readNetwork,
  type WriteWeightsOptions,
  writeWeights,
} from "./safetensors/model_file.ts";
export { readSafetensors } from "./safetensors/read_safetensors.ts";
export { writeSafetensors } from "./safetensors/write_safetensors.ts";
export { median, quantile } from "./statistics.ts";
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
export { type CompileTrainingOptions, compileTraining } from "./train/compile_training.ts";
export {
  type EvaluateOptions,
  type Evaluation,
  type EvaluationBatch,
  evaluate,
} from "./train/evaluate.ts";
export { headParameters } from "./train/head.ts";
export { initializeForTraining } from "./train/initialize_for_training.ts";
export type { OptimizerName } from "./train/kernels/optimizer.ts";
export { defaultRecipe, type Recipe } from "./train/recipe.ts";
export type { EpochProgress, TrainingBatch } from "./train/run_epoch.ts";
export type { KeptHistory } from "./train/running_history.ts";
export type { ScheduleName } from "./train/schedule.ts";
export type { Teacher } from "./train/teacher.ts";
export {
  type Checkpoint,
  type EpochRecord,
  type EpochResult,
  type StepProgress,
  type TrainingData,
  type TrainOptions,
  train,
} from "./train/train.ts";
export {
  type GroupStep,
  loadTraining,
  type StepResult,
  type StepSettings,
  type TrainingInstance,
  type TrainingState,
} from "./train/training_instance.ts";
export type { CompiledTraining, TrainingManifest } from "./train/training_manifest.ts";
export { hasFoldedNorms, unfoldNorms } from "./train/unfold_norms.ts";
