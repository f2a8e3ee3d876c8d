import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from "./onnx_model.ts";

/** Numbers of the fields that we write, as onnx.proto gives them. */
const fields = {
  model: { irVersion: 1, producerName: 2, graph: 7, opsetImport: 8 },
  operatorSet: { domain: 1, version: 2 },
  graph: { node: 1, name: 2, initializer: 5, input: 11, output: 12 },
  node: { input: 1, output: 2, name: 3, opType: 4, attribute: 5 },
  attribute: { name: 1, f: 2, i: 3, s: 4, ints: 8, type: 20 },
  tensor: { dims: 1, dataType: 2, name: 8, rawData: 9 },
  valueInfo: { name: 1, type: 2 },
  type: { tensorType: 1 },
  tensorType: { elementType: 1, shape: 2 },
  shape: { dim: 1 },
  dimension: { value: 1 },
} as const;

/** AttributeProto.AttributeType. */
const attributeTypes = { float: 1, int: 2, text: 3, ints: 7 } as const;
/** TensorProto.DataType. */
const dataTypes = { float: 1, int64: 7 } as const;

/** The bytes of a model file. */
export function encodeOnnxModel(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  writeInteger(writer, fields.model.irVersion, model.irVersion);
  writeText(writer, fields.model.producerName, model.producerName);
  writeMessage(writer, fields.model.graph, () => writeGraph(writer, model.graph));
  writeMessage(writer, fields.model.opsetImport, () => {
    writeText(writer, fields.operatorSet.domain, "");
    writeInteger(writer, fields.operatorSet.version, model.opset);
  });
  return writer.finish();
}

function writeGraph(writer: BinaryWriter, graph: OnnxGraph): void {
  for (const node of graph.nodes) writeMessage(writer, fields.graph.node, () => writeNode(writer, node));
  writeText(writer, fields.graph.name, graph.name);
  for (const tensor of graph.initializers) {
    writeMessage(writer, fields.graph.initializer, () => writeTensor(writer, tensor));
  }
  for (const input of graph.inputs) writeMessage(writer, fields.graph.input, () => writeValueInfo(writer, input));
  for (const output of graph.outputs) writeMessage(writer, fields.graph.output, () => writeValueInfo(writer, output));
}

function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  for (const input of node.inputs) writeText(writer, fields.node.input, input);
  writeText(writer, fields.node.output, node.output);
  writeText(writer, fields.node.name, node.name);
  writeText(writer, fields.node.opType, node.opType);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    writeMessage(writer, fields.node.attribute, () => writeAttribute(writer, name, attribute));
  }
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: OnnxAttribute): void {
  writeText(writer, fields.attribute.name, name);
  if ("float" in attribute) {
    writer.tag(fields.attribute.f, WireType.Bit32).float(attribute.float);
    writeInteger(writer, fields.attribute.type, attributeTypes.float);
  } else if ("int" in attribute) {
    writeInteger(writer, fields.attribute.i, attribute.int);
    writeInteger(writer, fields.attribute.type, attributeTypes.int);
  } else if ("ints" in attribute) {
    for (const value of attribute.ints) writeInteger(writer, fields.attribute.ints, value);
    writeInteger(writer, fields.attribute.type, attributeTypes.ints);
  } else {
    writeText(writer, fields.attribute.s, attribute.text);
    writeInteger(writer, fields.attribute.type, attributeTypes.text);
  }
}

function writeTensor(writer: BinaryWriter, { name, dims, data }: OnnxTensor): void {
  for (const length of dims) writeInteger(writer, fields.tensor.dims, length);
  writeInteger(writer, fields.tensor.dataType, data instanceof Float32Array ? dataTypes.float : dataTypes.int64);
  writeText(writer, fields.tensor.name, name);
  // raw_data is little-endian, and so is every machine that WebAssembly engines run on.
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  writer.tag(fields.tensor.rawData, WireType.LengthDelimited).bytes(bytes);
}

function writeValueInfo(writer: BinaryWriter, { name, dims }: OnnxValueInfo): void {
  writeText(writer, fields.valueInfo.name, name);
  writeMessage(writer, fields.valueInfo.type, () =>
    writeMessage(writer, fields.type.tensorType, () => {
      writeInteger(writer, fields.tensorType.elementType, dataTypes.float);
      writeMessage(writer, fields.tensorType.shape, () => {
        for (const length of dims) {
          writeMessage(writer, fields.shape.dim, () => writeInteger(writer, fields.dimension.value, length));
        }
      });
    }),
  );
}

function writeMessage(writer: BinaryWriter, field: number, body: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  body();
  writer.join();
}

function writeText(writer: BinaryWriter, field: number, text: string): void {
  writer.tag(field, WireType.LengthDelimited).string(text);
}

function writeInteger(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}
