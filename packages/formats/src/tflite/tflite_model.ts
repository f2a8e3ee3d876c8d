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
interface Field {
  readonly at: number;
  readonly type: "bool" | "int8" | "int32" | "float32";
  readonly default: number;
}

const int8 = (at: number): Field => ({ at, type: "int8", default: 0 });
const int32 = (at: number, value = 0): Field => ({ at, type: "int32", default: value });
const bool = (at: number): Field => ({ at, type: "bool", default: 0 });
const float32 = (at: number): Field => ({ at, type: "float32", default: 0 });

/** Tables of the union BuiltinOptions: its number for each, and their fields. */
export const optionTables = {
  Conv2DOptions: {
    type: 1,
    fields: {
      padding: int8(0),
      stride_w: int32(1),
      stride_h: int32(2),
      fused_activation_function: int8(3),
      dilation_w_factor: int32(4, 1),
      dilation_h_factor: int32(5, 1),
    },
  },
  DepthwiseConv2DOptions: {
    type: 2,
    fields: {
      padding: int8(0),
      stride_w: int32(1),
      stride_h: int32(2),
      depth_multiplier: int32(3),
      fused_activation_function: int8(4),
      dilation_w_factor: int32(5, 1),
      dilation_h_factor: int32(6, 1),
    },
  },
  Pool2DOptions: {
    type: 5,
    fields: { padding: int8(0), stride_w: int32(1), stride_h: int32(2), filter_width: int32(3), filter_height: int32(4) },
  },
  FullyConnectedOptions: { type: 8, fields: { fused_activation_function: int8(0) } },
  SoftmaxOptions: { type: 9, fields: { beta: float32(0) } },
  ConcatenationOptions: { type: 10, fields: { axis: int32(0) } },
  AddOptions: { type: 11, fields: { fused_activation_function: int8(0) } },
  ResizeBilinearOptions: { type: 15, fields: { half_pixel_centers: bool(3) } },
  MulOptions: { type: 21, fields: { fused_activation_function: int8(0) } },
  GatherOptions: { type: 23, fields: { axis: int32(0) } },
  ReducerOptions: { type: 27, fields: { keep_dims: bool(0) } },
  ResizeNearestNeighborOptions: { type: 74, fields: { half_pixel_centers: bool(1) } },
} as const satisfies Readonly<Record<string, { readonly type: number; readonly fields: Readonly<Record<string, Field>> }>>;

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
