/** The part of a TFLite model that we write: plain records, and the numbers that the schema (schema.fbs) gives to their kinds. */

/** BuiltinOperator. */
export const operatorCodes = {
  ADD: 0,
  AVERAGE_POOL_2D: 1,
  CONCATENATION: 2,
  CONV_2D: 3,
  DEPTHWISE_CONV_2D: 4,
  FULLY_CONNECTED: 9,
  LOGISTIC: 14,
  MAX_POOL_2D: 17,
  MUL: 18,
  RELU: 19,
  RELU6: 21,
  RESHAPE: 22,
  RESIZE_BILINEAR: 23,
  SOFTMAX: 25,
  PAD: 34,
  GATHER: 36,
  TRANSPOSE: 39,
  MEAN: 40,
  PADV2: 60,
  SLICE: 65,
  RESIZE_NEAREST_NEIGHBOR: 97,
  HARD_SWISH: 117,
} as const;

/** Name of an operator. */
export type OperatorName = keyof typeof operatorCodes;

/** Padding. */
export const paddings = { SAME: 0, VALID: 1 } as const;
/** ActivationFunctionType. */
export const fusedActivations = { NONE: 0, RELU: 1, RELU6: 3 } as const;
/** TensorType. */
export const tensorTypes = { float32: 0, int32: 2 } as const;

/** A scalar field of a table: its position, how it is stored, and the value that is left out. */
export type Field = readonly [position: number, type: "bool" | "int8" | "int32" | "float32", absent: number];

/** Tables of the union BuiltinOptions: its number for each, and their fields. */
export const optionTables = {
  Conv2DOptions: {
    type: 1,
    fields: {
      padding: [0, "int8", 0],
      stride_w: [1, "int32", 0],
      stride_h: [2, "int32", 0],
      fused_activation_function: [3, "int8", 0],
      dilation_w_factor: [4, "int32", 1],
      dilation_h_factor: [5, "int32", 1],
    },
  },
  DepthwiseConv2DOptions: {
    type: 2,
    fields: {
      padding: [0, "int8", 0],
      stride_w: [1, "int32", 0],
      stride_h: [2, "int32", 0],
      depth_multiplier: [3, "int32", 0],
      fused_activation_function: [4, "int8", 0],
      dilation_w_factor: [5, "int32", 1],
      dilation_h_factor: [6, "int32", 1],
    },
  },
  Pool2DOptions: {
    type: 5,
    fields: {
      padding: [0, "int8", 0],
      stride_w: [1, "int32", 0],
      stride_h: [2, "int32", 0],
      filter_width: [3, "int32", 0],
      filter_height: [4, "int32", 0],
    },
  },
  FullyConnectedOptions: { type: 8, fields: { fused_activation_function: [0, "int8", 0] } },
  SoftmaxOptions: { type: 9, fields: { beta: [0, "float32", 0] } },
  ConcatenationOptions: { type: 10, fields: { axis: [0, "int32", 0] } },
  AddOptions: { type: 11, fields: { fused_activation_function: [0, "int8", 0] } },
  ResizeBilinearOptions: { type: 15, fields: { half_pixel_centers: [3, "bool", 0] } },
  MulOptions: { type: 21, fields: { fused_activation_function: [0, "int8", 0] } },
  GatherOptions: { type: 23, fields: { axis: [0, "int32", 0] } },
  ReducerOptions: { type: 27, fields: { keep_dims: [0, "bool", 0] } },
  ResizeNearestNeighborOptions: { type: 74, fields: { half_pixel_centers: [1, "bool", 0] } },
} as const;

type OptionTables = typeof optionTables;

/** The options of one operator: a table and the values of all its fields. */
export type TfliteOptions = {
  readonly [T in keyof OptionTables]: {
    readonly table: T;
    readonly values: { readonly [F in keyof OptionTables[T]["fields"]]: number };
  };
}[keyof OptionTables];

/** Tensor. One with `data` is a constant. */
export interface TfliteTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | undefined;
}

/** Operator: of one output. Tensors by their positions. */
export interface TfliteOperator {
  readonly operator: OperatorName;
  /** Version of the operator's meaning: what it is given may need a later one than 1. */
  readonly version: number;
  readonly inputs: readonly number[];
  readonly output: number;
  readonly options: TfliteOptions | undefined;
}

/** Model, of one subgraph. */
export interface TfliteModel {
  readonly name: string;
  readonly tensors: readonly TfliteTensor[];
  readonly operators: readonly TfliteOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}
