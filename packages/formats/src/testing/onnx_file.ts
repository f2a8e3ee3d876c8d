/** ONNX files for tests, encoded with the official schema as others compiled it. */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "onnx-buf";

/** An attribute: whole numbers as `int` or a list, fractions as `float`. */
export type AttributeSpec =
  | string
  | readonly number[]
  | { readonly int: number }
  | { readonly float: number }
  | TensorSpec;

/** A constant. */
export interface TensorSpec {
  readonly dims: readonly number[];
  readonly values: readonly number[];
  /** Default float32. */
  readonly type?: "f32" | "i64" | "i32" | "u8" | "i8" | "f16" | "f64";
  /** Where the numbers stand: by default in raw_data. */
  readonly storage?: "raw" | "typed";
}

/** A node: operator, inputs, outputs, attributes. */
export type NodeSpec = readonly [
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes?: Readonly<Record<string, AttributeSpec>>,
];

/** A model. Names of lengths are symbolic. */
export interface ModelSpec {
  readonly opset: number;
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  readonly inputType?: number;
  readonly constants?: Readonly<Record<string, TensorSpec>>;
  readonly nodes: readonly NodeSpec[];
  readonly outputs: readonly string[];
}

const dataTypes = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, f16: 10, f64: 11 } as const;

/** The bytes of a model. */
export function onnxFile({
  opset,
  inputs,
  inputType = 1,
  constants = {},
  nodes,
  outputs,
}: ModelSpec): Uint8Array<ArrayBuffer> {
  const port = (name: string, dims?: readonly (number | string)[]) =>
    create(ValueInfoProtoSchema, {
      name,
      type: create(TypeProtoSchema, {
        value: {
          case: "tensorType",
          value: {
            elemType: dims === undefined ? 1 : inputType,
            ...(dims === undefined ? {} : { shape: { dim: dims.map(dimension) } }),
          },
        },
      }),
    });
  const graph = create(GraphProtoSchema, {
    name: "test",
    node: nodes.map(([opType, input, output, attributes = {}]) =>
      create(NodeProtoSchema, {
        opType,
        input: [...input],
        output: [...output],
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      }),
    ),
    initializer: Object.entries(constants).map(([name, spec]) => tensorProto(name, spec)),
    input: Object.entries(inputs).map(([name, dims]) => port(name, dims)),
    output: outputs.map((name) => port(name)),
  });
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: "", version: BigInt(opset) }],
    graph,
  });
  return toBinary(ModelProtoSchema, model) as Uint8Array<ArrayBuffer>;
}

function dimension(length: number | string) {
  return typeof length === "string"
    ? { value: { case: "dimParam" as const, value: length } }
    : { value: { case: "dimValue" as const, value: BigInt(length) } };
}

function attribute(name: string, value: AttributeSpec) {
  const types = AttributeProto_AttributeType;
  if (typeof value === "string") {
    return create(AttributeProtoSchema, { name, type: types.STRING, s: new TextEncoder().encode(value) });
  }
  if ("int" in value) return create(AttributeProtoSchema, { name, type: types.INT, i: BigInt(value.int) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: types.FLOAT, f: value.float });
  if ("dims" in value) return create(AttributeProtoSchema, { name, type: types.TENSOR, t: tensorProto("", value) });
  const isWhole = value.every((each) => Number.isInteger(each));
  return isWhole
    ? create(AttributeProtoSchema, { name, type: types.INTS, ints: value.map(BigInt) })
    : create(AttributeProtoSchema, { name, type: types.FLOATS, floats: [...value] });
}

/** A constant as the schema has it. */
function tensorProto(name: string, { dims, values, type = "f32", storage = "raw" }: TensorSpec) {
  const common = { name, dims: dims.map(BigInt), dataType: dataTypes[type] };
  if (storage === "raw") return create(TensorProtoSchema, { ...common, rawData: rawBytes(type, values) });
  switch (type) {
    case "f32":
      return create(TensorProtoSchema, { ...common, floatData: [...values] });
    case "f64":
      return create(TensorProtoSchema, { ...common, doubleData: [...values] });
    case "i64":
      return create(TensorProtoSchema, { ...common, int64Data: values.map(BigInt) });
    default:
      return create(TensorProtoSchema, { ...common, int32Data: [...values] });
  }
}

/** Half floats are given as their bits. */
function rawBytes(type: NonNullable<TensorSpec["type"]>, values: readonly number[]): Uint8Array<ArrayBuffer> {
  const arrays = {
    f32: Float32Array,
    f64: Float64Array,
    i32: Int32Array,
    u8: Uint8Array,
    i8: Int8Array,
    f16: Uint16Array,
  };
  const array = type === "i64" ? BigInt64Array.from(values, BigInt) : arrays[type].from(values);
  return new Uint8Array(array.buffer as ArrayBuffer);
}
