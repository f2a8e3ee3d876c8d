import { Builder, type Offset } from "flatbuffers";
import {
  type Field,
  operatorCodes,
  optionTables,
  type TfliteModel,
  type TfliteOperator,
  type TfliteOptions,
  type TfliteTensor,
  tensorTypes,
} from "./tflite_model.ts";

const FILE_IDENTIFIER = "TFL3";
const SCHEMA_VERSION = 3;
/** What the schema asks for, so that weights can be used where the file is mapped. */
const BUFFER_ALIGNMENT = 16;
/** Bytes beside the weights to begin with; the builder grows where that is too little. */
const FIRST_BYTES = 65536;

/** Positions of the fields of each table that we write, and how many fields that makes. */
const tables = {
  model: { count: 5, version: 0, operatorCodes: 1, subgraphs: 2, description: 3, buffers: 4 },
  subgraph: { count: 5, tensors: 0, inputs: 1, outputs: 2, operators: 3, name: 4 },
  buffer: { count: 1, data: 0 },
  tensor: { count: 4, shape: 0, type: 1, buffer: 2, name: 3 },
  operatorCode: { count: 4, deprecatedCode: 0, version: 2, code: 3 },
  operator: { count: 5, codeIndex: 0, inputs: 1, outputs: 2, optionsType: 3, options: 4 },
} as const;

/** The largest code that the first version of the field, a byte, holds; larger ones stand in the second alone. */
const LARGEST_BYTE_CODE = 127;

/** The bytes of a model file. */
export function encodeTfliteModel(model: TfliteModel): Uint8Array<ArrayBuffer> {
  const weightBytes = model.tensors.reduce((sum, { data }) => sum + (data?.byteLength ?? 0) + BUFFER_ALIGNMENT, 0);
  const to = new Builder(weightBytes + FIRST_BYTES);
  const codes = operatorCodeList(model.operators);
  const constants = model.tensors.filter(({ data }) => data !== undefined);
  // Flatbuffers are written from the end: leaves first. Buffer 0 is the empty one of tensors that are computed.
  const buffers = vectorOfTables(to, [
    writeBuffer(to, undefined),
    ...constants.map(({ data }) => writeBuffer(to, data)),
  ]);
  const subgraphs = vectorOfTables(to, [writeSubgraph(to, model, codes, constants)]);
  const operatorCodeTables = vectorOfTables(
    to,
    codes.map((code) => writeOperatorCode(to, code)),
  );
  const description = to.createString("depthwise");
  to.startObject(tables.model.count);
  to.addFieldInt32(tables.model.version, SCHEMA_VERSION, 0);
  to.addFieldOffset(tables.model.operatorCodes, operatorCodeTables, 0);
  to.addFieldOffset(tables.model.subgraphs, subgraphs, 0);
  to.addFieldOffset(tables.model.description, description, 0);
  to.addFieldOffset(tables.model.buffers, buffers, 0);
  to.finish(to.endObject(), FILE_IDENTIFIER);
  return to.asUint8Array().slice();
}

type OperatorCode = Pick<TfliteOperator, "operator" | "version">;

/** Each pair of operator and version that occurs, once. */
function operatorCodeList(operators: readonly TfliteOperator[]): readonly OperatorCode[] {
  const codes = new Map<string, OperatorCode>();
  for (const { operator, version } of operators) codes.set(`${operator} ${version}`, { operator, version });
  return [...codes.values()];
}

function writeOperatorCode(to: Builder, { operator, version }: OperatorCode): Offset {
  const code = operatorCodes[operator];
  to.startObject(tables.operatorCode.count);
  to.addFieldInt8(tables.operatorCode.deprecatedCode, Math.min(code, LARGEST_BYTE_CODE), 0);
  to.addFieldInt32(tables.operatorCode.version, version, 1);
  to.addFieldInt32(tables.operatorCode.code, code, 0);
  return to.endObject();
}

function writeBuffer(to: Builder, data: TfliteTensor["data"]): Offset {
  const bytes = data === undefined ? undefined : alignedBytes(to, data);
  to.startObject(tables.buffer.count);
  if (bytes !== undefined) to.addFieldOffset(tables.buffer.data, bytes, 0);
  return to.endObject();
}

function alignedBytes(to: Builder, { buffer, byteOffset, byteLength }: Float32Array | Int32Array): Offset {
  to.startVector(1, byteLength, BUFFER_ALIGNMENT);
  to.pad(byteLength);
  const written = to.dataBuffer();
  written.bytes().set(new Uint8Array(buffer, byteOffset, byteLength), written.capacity() - to.offset());
  return to.endVector();
}

function writeSubgraph(
  to: Builder,
  model: TfliteModel,
  codes: readonly OperatorCode[],
  constants: readonly TfliteTensor[],
): Offset {
  const bufferOf = new Map(constants.map((tensor, position) => [tensor, position + 1]));
  const tensors = vectorOfTables(
    to,
    model.tensors.map((tensor) => writeTensor(to, tensor, bufferOf.get(tensor) ?? 0)),
  );
  const operators = vectorOfTables(
    to,
    model.operators.map((each) => {
      const isSame = ({ operator, version }: OperatorCode): boolean =>
        operator === each.operator && version === each.version;
      return writeOperator(to, each, codes.findIndex(isSame));
    }),
  );
  const inputs = vectorOfIntegers(to, model.inputs);
  const outputs = vectorOfIntegers(to, model.outputs);
  const name = to.createString(model.name);
  to.startObject(tables.subgraph.count);
  to.addFieldOffset(tables.subgraph.tensors, tensors, 0);
  to.addFieldOffset(tables.subgraph.inputs, inputs, 0);
  to.addFieldOffset(tables.subgraph.outputs, outputs, 0);
  to.addFieldOffset(tables.subgraph.operators, operators, 0);
  to.addFieldOffset(tables.subgraph.name, name, 0);
  return to.endObject();
}

function writeTensor(to: Builder, tensor: TfliteTensor, buffer: number): Offset {
  const shape = vectorOfIntegers(to, tensor.shape);
  const name = to.createString(tensor.name);
  to.startObject(tables.tensor.count);
  to.addFieldOffset(tables.tensor.shape, shape, 0);
  const type = tensor.data instanceof Int32Array ? tensorTypes.int32 : tensorTypes.float32;
  to.addFieldInt8(tables.tensor.type, type, tensorTypes.float32);
  to.addFieldInt32(tables.tensor.buffer, buffer, 0);
  to.addFieldOffset(tables.tensor.name, name, 0);
  return to.endObject();
}

function writeOperator(to: Builder, { inputs, output, options }: TfliteOperator, codeIndex: number): Offset {
  const inputList = vectorOfIntegers(to, inputs);
  const outputList = vectorOfIntegers(to, [output]);
  const optionTable = options === undefined ? undefined : writeOptions(to, options);
  to.startObject(tables.operator.count);
  to.addFieldInt32(tables.operator.codeIndex, codeIndex, 0);
  to.addFieldOffset(tables.operator.inputs, inputList, 0);
  to.addFieldOffset(tables.operator.outputs, outputList, 0);
  if (options !== undefined && optionTable !== undefined) {
    to.addFieldInt8(tables.operator.optionsType, optionTables[options.table].type, 0);
    to.addFieldOffset(tables.operator.options, optionTable, 0);
  }
  return to.endObject();
}

function writeOptions(to: Builder, { table, values }: TfliteOptions): Offset {
  const fields: readonly (readonly [string, Field])[] = Object.entries(optionTables[table].fields);
  to.startObject(Math.max(...fields.map(([, [position]]) => position)) + 1);
  for (const [name, [position, type, absent]] of fields) {
    const value = (values as Readonly<Record<string, number>>)[name] as number;
    if (type === "int32") to.addFieldInt32(position, value, absent);
    else if (type === "float32") to.addFieldFloat32(position, value, absent);
    else to.addFieldInt8(position, value, absent);
  }
  return to.endObject();
}

function vectorOfTables(to: Builder, offsets: readonly Offset[]): Offset {
  to.startVector(4, offsets.length, 4);
  for (const offset of offsets.toReversed()) to.addOffset(offset);
  return to.endVector();
}

function vectorOfIntegers(to: Builder, values: readonly number[]): Offset {
  to.startVector(4, values.length, 4);
  for (const value of values.toReversed()) to.addInt32(value);
  return to.endVector();
}
