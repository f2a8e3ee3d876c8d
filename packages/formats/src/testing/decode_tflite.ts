/**
 * Reads a TFLite file with nothing but a DataView: neither the library that wrote it nor our tables of fields have a part in it. Positions
 * of fields are counted from schema.fbs once more.
 */

/** An operator and its tensors, by name. */
export interface DecodedOperator {
  readonly code: number;
  readonly version: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Number of the union's table; 0 for none. */
  readonly optionsType: number;
  /** A field of the options; `absent` where it is left out. */
  option(position: number, type: "int8" | "int32" | "float32", absent: number): number;
}

/** A tensor. `values` is undefined if it is computed. */
export interface DecodedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly values: readonly number[] | undefined;
  /** Where the numbers begin in the file. */
  readonly dataOffset: number | undefined;
}

/** What a file holds. */
export interface DecodedTflite {
  readonly identifier: string;
  readonly schemaVersion: number;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly tensors: readonly DecodedTensor[];
  readonly operators: readonly DecodedOperator[];
}

/** A table of the file. */
class Table {
  readonly #view: DataView;
  readonly #at: number;

  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
  }

  /** Where a field's value stands, or undefined where it is left out. */
  #field(position: number): number | undefined {
    const offsets = this.#at - this.#view.getInt32(this.#at, true);
    const entry = 4 + 2 * position;
    if (entry >= this.#view.getUint16(offsets, true)) return undefined;
    const offset = this.#view.getUint16(offsets + entry, true);
    return offset === 0 ? undefined : this.#at + offset;
  }

  scalar(position: number, type: "int8" | "int32" | "float32", absent: number): number {
    const at = this.#field(position);
    if (at === undefined) return absent;
    if (type === "int8") return this.#view.getInt8(at);
    return type === "int32" ? this.#view.getInt32(at, true) : this.#view.getFloat32(at, true);
  }

  table(position: number): Table {
    const at = this.#field(position) as number;
    return new Table(this.#view, at + this.#view.getUint32(at, true));
  }

  /** Start and length of a vector. */
  vector(position: number): { readonly start: number; readonly length: number } | undefined {
    const at = this.#field(position);
    if (at === undefined) return undefined;
    const vector = at + this.#view.getUint32(at, true);
    return { start: vector + 4, length: this.#view.getUint32(vector, true) };
  }

  tables(position: number): Table[] {
    const { start, length } = this.vector(position) ?? { start: 0, length: 0 };
    return Array.from({ length }, (_, i) => {
      const at = start + 4 * i;
      return new Table(this.#view, at + this.#view.getUint32(at, true));
    });
  }

  integers(position: number): number[] {
    const { start, length } = this.vector(position) ?? { start: 0, length: 0 };
    return Array.from({ length }, (_, i) => this.#view.getInt32(start + 4 * i, true));
  }

  text(position: number): string {
    const { start, length } = this.vector(position) ?? { start: 0, length: 0 };
    return new TextDecoder().decode(new Uint8Array(this.#view.buffer, this.#view.byteOffset + start, length));
  }
}

/** Decodes a file of one subgraph. */
export function decodeTflite(bytes: Uint8Array): DecodedTflite {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const model = new Table(view, view.getUint32(0, true));
  const subgraph = model.tables(2)[0] as Table;
  const buffers = model.tables(4);
  const codes = model.tables(1);
  const tensors = subgraph.tables(0).map((tensor) => decodeTensor(view, tensor, buffers));
  const names = (indices: readonly number[]): string[] =>
    indices.map((index) => tensors[index]?.name ?? `tensor ${index}`);
  return {
    identifier: new TextDecoder().decode(bytes.slice(4, 8)),
    schemaVersion: model.scalar(0, "int32", 0),
    name: subgraph.text(4),
    inputs: names(subgraph.integers(1)),
    outputs: names(subgraph.integers(2)),
    tensors,
    operators: subgraph.tables(3).map((operator) => {
      const code = codes[operator.scalar(0, "int32", 0)] as Table;
      const optionsType = operator.scalar(3, "int8", 0);
      return {
        // Readers take the larger one of the old field and the new.
        code: Math.max(code.scalar(0, "int8", 0), code.scalar(3, "int32", 0)),
        version: code.scalar(2, "int32", 1),
        inputs: names(operator.integers(1)),
        outputs: names(operator.integers(2)),
        optionsType,
        option: (...field) => operator.table(4).scalar(...field),
      };
    }),
  };
}

function decodeTensor(view: DataView, tensor: Table, buffers: readonly Table[]): DecodedTensor {
  const type = tensor.scalar(1, "int8", 0);
  const data = buffers[tensor.scalar(2, "int32", 0)]?.vector(0);
  const values =
    data === undefined
      ? undefined
      : Array.from({ length: data.length / 4 }, (_, i) =>
          type === 0 ? view.getFloat32(data.start + 4 * i, true) : view.getInt32(data.start + 4 * i, true),
        );
  return { name: tensor.text(3), shape: tensor.integers(0), type, values, dataOffset: data?.start };
}
