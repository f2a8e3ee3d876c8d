import { fromBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
} from "onnx-buf";

/** Decodes with the official schema, compiled by others: our own table of fields has no part in it. */
export function decodeOnnx(bytes: Uint8Array): ModelProto {
  return fromBinary(ModelProtoSchema, bytes);
}

/** The nodes as lines: `out = Conv(x, kernel) {group=1, pads=[0, 0, 0, 0]} # name`. Attributes by name. */
export function onnxLines(model: ModelProto): readonly string[] {
  return (model.graph?.node ?? []).map(({ name, opType, input, output, attribute }) => {
    const words = attribute.map((each) => `${each.name}=${attributeText(each)}`).sort();
    const attributes = words.length === 0 ? "" : ` {${words.join(", ")}}`;
    return `${output.join(", ")} = ${opType}(${input.join(", ")})${attributes} # ${name}`;
  });
}

function attributeText(attribute: AttributeProto): string {
  switch (attribute.type) {
    case AttributeProto_AttributeType.INT:
      return String(attribute.i);
    case AttributeProto_AttributeType.INTS:
      return `[${attribute.ints.join(", ")}]`;
    case AttributeProto_AttributeType.FLOAT:
      return attribute.f.toPrecision(4);
    case AttributeProto_AttributeType.STRING:
      return new TextDecoder().decode(attribute.s);
    default:
      throw new Error(`No test writes attributes of type ${attribute.type}.`);
  }
}

/** An initializer's lengths and numbers. */
export function initializerOf(model: ModelProto, name: string): { dims: number[]; values: number[] } {
  const found = model.graph?.initializer.find((tensor) => tensor.name === name);
  if (found === undefined) throw new Error(`No initializer is named "${name}".`);
  return { dims: found.dims.map(Number), values: valuesOf(found) };
}

function valuesOf({ dataType, rawData }: TensorProto): number[] {
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  const isFloat = dataType === 1;
  return Array.from({ length: rawData.byteLength / (isFloat ? 4 : 8) }, (_, i) =>
    isFloat ? view.getFloat32(4 * i, true) : Number(view.getBigInt64(8 * i, true)),
  );
}
