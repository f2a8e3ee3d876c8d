/** TFLite files for tests: any operator, type and quantisation, fields by their places in schema.fbs. */
import { Builder, type Offset } from "flatbuffers";

/** A tensor. One with `values` is a constant. */
export interface TfliteTensorSpec {
  readonly shape: readonly number[];
  /** Default float32. */
  readonly type?: keyof typeof tensorTypes;
  readonly values?: readonly number[];
  readonly scale?: readonly number[];
  readonly zeroPoint?: readonly number[];
  /** Axis of several scales. Default 0. */
  readonly axis?: number;
}

/** A field of an operator's options: its place and its value. */
export type OptionSpec = readonly [
  place: number,
  type: "int8" | "int32" | "float32" | "ints",
  value: number | readonly number[],
];

/** An operator: its code, inputs, outputs; the number and the fields of its options. */
export interface TfliteOperatorSpec {
  readonly code: number;
  readonly version?: number;
  /** An empty name is an input that is not there. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly optionsType?: number;
  readonly options?: readonly OptionSpec[];
}

/** A model of one subgraph; tensors by name. */
export interface TfliteModelSpec {
  readonly tensors: Readonly<Record<string, TfliteTensorSpec>>;
  readonly operators: readonly TfliteOperatorSpec[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

const tensorTypes = { f32: 0, f16: 1, i32: 2, u8: 3, i64: 4, i8: 9 } as const;

/** The bytes of a model. */
export function tfliteFile({ tensors, operators, inputs, outputs }: TfliteModelSpec): Uint8Array<ArrayBuffer> {
  const to = new Builder(1024);
  const names = Object.keys(tensors);
  const list = (values: readonly string[]): Offset =>
    integers(
      to,
      values.map((name) => (name === "" ? -1 : names.indexOf(name))),
    );
  const constants = names.filter((name) => tensors[name]?.values !== undefined);
  const buffers = [undefined, ...constants].map((name) => buffer(to, name === undefined ? undefined : tensors[name]));
  const tensorTables = names.map((name) =>
    tensorTable(to, name, tensors[name] as TfliteTensorSpec, constants.indexOf(name) + 1),
  );
  const operatorTables = operators.map(({ inputs: from, outputs: into, optionsType = 0, options = [] }, i) => {
    const [fields, inputList, outputList] = [optionTable(to, options), list(from), list(into)];
    return table(to, 5, () => {
      to.addFieldInt32(0, i, 0);
      to.addFieldOffset(1, inputList, 0);
      to.addFieldOffset(2, outputList, 0);
      to.addFieldInt8(3, optionsType, 0);
      if (optionsType !== 0) to.addFieldOffset(4, fields, 0);
    });
  });
  const codes = operators.map(({ code, version = 1 }) =>
    table(to, 4, () => {
      to.addFieldInt8(0, Math.min(code, 127), 0);
      to.addFieldInt32(2, version, 1);
      to.addFieldInt32(3, code, 0);
    }),
  );
  const [tensorVector, operatorVector] = [offsets(to, tensorTables), offsets(to, operatorTables)];
  const [inputVector, outputVector] = [list(inputs), list(outputs)];
  const subgraph = table(to, 4, () => {
    to.addFieldOffset(0, tensorVector, 0);
    to.addFieldOffset(1, inputVector, 0);
    to.addFieldOffset(2, outputVector, 0);
    to.addFieldOffset(3, operatorVector, 0);
  });
  const [codeVector, subgraphVector, bufferVector] = [
    offsets(to, codes),
    offsets(to, [subgraph]),
    offsets(to, buffers),
  ];
  const model = table(to, 5, () => {
    to.addFieldInt32(0, 3, 0);
    to.addFieldOffset(1, codeVector, 0);
    to.addFieldOffset(2, subgraphVector, 0);
    to.addFieldOffset(4, bufferVector, 0);
  });
  to.finish(model, "TFL3");
  return to.asUint8Array().slice();
}

function tensorTable(to: Builder, name: string, spec: TfliteTensorSpec, bufferIndex: number): Offset {
  const { shape, type = "f32", scale, zeroPoint, axis = 0 } = spec;
  const [shapeVector, nameOffset] = [integers(to, shape), to.createString(name)];
  const quantization = scale === undefined ? undefined : quantizationTable(to, scale, zeroPoint ?? [0], axis);
  return table(to, 5, () => {
    to.addFieldOffset(0, shapeVector, 0);
    to.addFieldInt8(1, tensorTypes[type], 0);
    to.addFieldInt32(2, bufferIndex, 0);
    to.addFieldOffset(3, nameOffset, 0);
    if (quantization !== undefined) to.addFieldOffset(4, quantization, 0);
  });
}

function quantizationTable(to: Builder, scale: readonly number[], zeroPoint: readonly number[], axis: number): Offset {
  to.startVector(4, scale.length, 4);
  for (const value of scale.toReversed()) to.addFloat32(value);
  const scales = to.endVector();
  to.startVector(8, zeroPoint.length, 8);
  for (const value of zeroPoint.toReversed()) to.addInt64(BigInt(value));
  const zeroPoints = to.endVector();
  return table(to, 7, () => {
    to.addFieldOffset(2, scales, 0);
    to.addFieldOffset(3, zeroPoints, 0);
    to.addFieldInt32(6, axis, 0);
  });
}

function buffer(to: Builder, spec: TfliteTensorSpec | undefined): Offset {
  const bytes = spec?.values === undefined ? undefined : bytesOf(spec.type ?? "f32", spec.values);
  let data: Offset | undefined;
  if (bytes !== undefined) {
    to.startVector(1, bytes.length, 16);
    for (const byte of bytes.toReversed()) to.addInt8(byte);
    data = to.endVector();
  }
  return table(to, 1, () => {
    if (data !== undefined) to.addFieldOffset(0, data, 0);
  });
}

/** Half floats are given as their bits. */
function bytesOf(type: keyof typeof tensorTypes, values: readonly number[]): Uint8Array {
  const arrays = { f32: Float32Array, f16: Uint16Array, i32: Int32Array, u8: Uint8Array, i8: Int8Array };
  const array = type === "i64" ? BigInt64Array.from(values, BigInt) : arrays[type].from(values);
  return new Uint8Array(array.buffer as ArrayBuffer);
}

function optionTable(to: Builder, options: readonly OptionSpec[]): Offset {
  const lists = options.map(([, type, value]) => (type === "ints" ? integers(to, value as readonly number[]) : 0));
  return table(to, Math.max(0, ...options.map(([place]) => place + 1)), () => {
    for (const [i, [place, type, value]] of options.entries()) {
      // An absent value of NaN: every field is written.
      if (type === "ints") to.addFieldOffset(place, lists[i] as Offset, 0);
      else if (type === "int8") to.addFieldInt8(place, value as number, Number.NaN);
      else if (type === "int32") to.addFieldInt32(place, value as number, Number.NaN);
      else to.addFieldFloat32(place, value as number, Number.NaN);
    }
  });
}

function table(to: Builder, fields: number, write: () => void): Offset {
  to.startObject(fields);
  write();
  return to.endObject();
}

function integers(to: Builder, values: readonly number[]): Offset {
  to.startVector(4, values.length, 4);
  for (const value of values.toReversed()) to.addInt32(value);
  return to.endVector();
}

function offsets(to: Builder, values: readonly Offset[]): Offset {
  to.startVector(4, values.length, 4);
  for (const value of values.toReversed()) to.addOffset(value);
  return to.endVector();
}
