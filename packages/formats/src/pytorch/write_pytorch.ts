import { elementCount, formatShape, ShapeError, type Tensor, UnsupportedError } from "@depthwise/core";
import type { DType } from "../typed_arrays.ts";
import { PickleWriter } from "./pickle_writer.ts";
import { storageNames } from "./torch_values.ts";
import { writeZip, type ZipFile } from "./write_zip.ts";

/** Options of `writePytorch`. */
export interface WritePytorchOptions {
  /** The archive's folder, which `torch.save` names after the file. Default `archive`. */
  readonly name?: string | undefined;
}

/** As PyTorch places its storages. */
const alignment = 64;
/** The version of the archive that PyTorch writes. */
const archiveVersion = "3\n";
/** Above that the archive would need 64-bit sizes. */
const longest = 2 ** 32 - 1;
const mostTensors = 65_000;

/**
 * Writes tensors as a state dict that `torch.load` reads, with `weights_only=True` (its default since 2.6) too: PyTorch's ZIP format, an
 * OrderedDict of contiguous tensors.
 *
 * Names and layouts are the caller's: convolutions OIHW and so on, as PyTorch's modules have them.
 *
 * @throws {UnsupportedError} for the unsigned types of more than a byte, and for 4 GiB or more
 * @throws {ShapeError} if a tensor's data are not as many as its shape says
 */
export function writePytorch(
  tensors: ReadonlyMap<string, Tensor>,
  options: WritePytorchOptions = {},
): Uint8Array<ArrayBuffer> {
  const { name: folder = "archive" } = options;
  const storages = [...tensors].map(([name, tensor]) => bytesOf(name, tensor));
  const total = storages.reduce((sum, { length }) => sum + length + 1024, 0);
  if (total > longest || tensors.size > mostTensors) {
    throw new UnsupportedError(
      `${tensors.size} tensors of ${total} bytes are too much for a PyTorch file without 64-bit sizes: at most ${mostTensors} tensors, under 4 GiB.`,
    );
  }
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  const files: readonly ZipFile[] = [
    { name: "data.pkl", bytes: pickleOf(tensors) },
    { name: "byteorder", bytes: text("little") },
    ...storages.map((bytes, key) => ({ name: `data/${key}`, bytes })),
    { name: "version", bytes: text(archiveVersion) },
  ];
  return writeZip(
    files.map(({ name, bytes }) => ({ name: `${folder}/${name}`, bytes })),
    alignment,
  );
}

function pickleOf(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const pickle = new PickleWriter();
  pickle.call("collections", "OrderedDict", () => {});
  pickle.setItems(() => {
    for (const [key, [name, { dtype, shape }]] of [...tensors].entries()) {
      pickle.text(name);
      pickle.call("torch._utils", "_rebuild_tensor_v2", () => {
        pickle.persistent(() => {
          pickle.shared("storage");
          pickle.global("torch", storageName(name, dtype));
          pickle.text(String(key));
          pickle.shared("cpu");
          pickle.integer(elementCount(shape));
        });
        pickle.integer(0); // the storage's first element
        pickle.tuple(() => shape.forEach((length) => void pickle.integer(length)));
        pickle.tuple(() => stridesOf(shape).forEach((stride) => void pickle.integer(stride)));
        pickle.boolean(false); // needs no gradient
        pickle.call("collections", "OrderedDict", () => {}); // has no hooks
      });
    }
  });
  return pickle.finish();
}

function storageName(name: string, dtype: DType): string {
  const known = storageNames.get(dtype);
  if (known === undefined) {
    throw new UnsupportedError(`Tensor "${name}" is ${dtype}, for which older PyTorch has no storage.`, {
      hint: "Convert it to a signed type, or write safetensors.",
    });
  }
  return known;
}

function stridesOf(shape: Tensor["shape"]): readonly number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
}

/** Little-endian, as is every machine that WebAssembly engines run on. */
function bytesOf(name: string, { dtype, shape, data }: Tensor): Uint8Array {
  if (data.length !== elementCount(shape)) {
    throw new ShapeError(
      `Tensor "${name}" of shape ${formatShape(shape)} needs ${elementCount(shape)} elements, received ${data.length}.`,
    );
  }
  storageName(name, dtype);
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}
