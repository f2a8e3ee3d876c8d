import { FormatError, type Tensor, UnsupportedError } from "@depthwise/core";
import type { ForeignModel } from "../foreign_model.ts";
import { type MemoryBudget, memoryBudget } from "../memory_budget.ts";
import { arrayTypes } from "../typed_arrays.ts";
import { findStateDict } from "./find_state_dict.ts";
import { unpickle } from "./pickle_machine.ts";
import { isLegacy, readLegacy } from "./read_legacy.ts";
import { readZip, unpack, type ZipEntry } from "./read_zip.ts";
import { tensorOf } from "./tensor_of.ts";
import { checkByteOrder, type TorchArchive } from "./torch_archive.ts";
import { torchHost } from "./torch_host.ts";
import type { StorageRef } from "./torch_values.ts";

/** Options of `readPytorch`. */
export interface ReadPytorchOptions {
  /** The file's name, for messages. */
  readonly file?: string | undefined;
}

/**
 * Reads what `torch.save` wrote: a state dict, or a checkpoint that has one. Both the ZIP format (PyTorch 1.6 and later) and the older stream of
 * pickles.
 *
 * Nothing in the file is run: its pickle is read by a machine that only knows how tensors are put together. Tensors are views of `bytes`
 * where they are aligned and contiguous there; do not write to them. What is no tensor of the state dict is named in `ignored`.
 *
 * @throws {FormatError} naming what is wrong, for anything but a file of tensors
 * @throws {UnsupportedError} for big-endian files, encrypted or otherwise packed archives, and element types that no Tensor has
 */
export function readPytorch(bytes: Uint8Array, options: ReadPytorchOptions = {}): ForeignModel {
  const { file } = options;
  const budget = memoryBudget(bytes.length, file);
  const archive = readArchive(bytes, budget, file);
  const { tensors: refs, ignored } = findStateDict(archive.root, file);
  const tensors = new Map<string, Tensor>();
  for (const [name, ref] of refs) {
    const storage = archive.storage(ref.storage.key);
    checkLength(ref.storage, storage, name, file);
    tensors.set(name, tensorOf(name, ref, storage, budget, file));
  }
  return { format: "pytorch", tensors, ...(ignored.length === 0 ? {} : { ignored }) };
}

function readArchive(bytes: Uint8Array, budget: MemoryBudget, file: string | undefined): TorchArchive {
  if (startsWith(bytes, [0x50, 0x4b])) return readZipped(bytes, budget, file);
  if (isLegacy(bytes)) return readLegacy(bytes, budget, file);
  const details = file === undefined ? {} : { file };
  if (bytes[0] === 0x80) {
    throw new FormatError("The file is a pickle, but none that torch.save wrote.", {
      hint: "Load it in Python and save a state dict: torch.save(state_dict, path).",
      ...details,
    });
  }
  throw new FormatError(
    "Not a PyTorch file: it begins neither as a ZIP archive nor as a pickle of torch.save.",
    details,
  );
}

function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return start.every((byte, i) => bytes[i] === byte);
}

/** `NAME/data.pkl`, `NAME/data/KEY`, `NAME/byteorder`, `NAME/version`. */
function readZipped(bytes: Uint8Array, budget: MemoryBudget, file: string | undefined): TorchArchive {
  const details = file === undefined ? {} : { file };
  const entries = readZip(bytes, file);
  const pickles = [...entries.keys()].filter((name) => name === "data.pkl" || name.endsWith("/data.pkl"));
  const [pickle, other] = pickles;
  if (pickle === undefined || other !== undefined) {
    throw new FormatError(
      `Not a PyTorch file: the archive has ${pickles.length} files data.pkl instead of one.`,
      details,
    );
  }
  const folder = pickle.slice(0, -"data.pkl".length);
  if (entries.has(`${folder}constants.pkl`)) {
    throw new UnsupportedError("The file is a TorchScript archive, a program.", {
      hint: "Load it in Python with torch.jit.load and save its state_dict: torch.save(module.state_dict(), path).",
      ...details,
    });
  }
  const read = (entry: ZipEntry): Uint8Array => unpack(entry, budget, file);
  const order = entries.get(`${folder}byteorder`);
  if (order !== undefined && order.size < 16) checkByteOrder(new TextDecoder().decode(read(order)).trim(), file);
  const data = read(entries.get(pickle) as ZipEntry);
  const { value } = unpickle(data, 0, { host: torchHost(budget, file), budget, file });
  const unpacked = new Map<string, Uint8Array>();
  const storage = (key: string): Uint8Array => {
    const entry = entries.get(`${folder}data/${key}`);
    if (entry === undefined) throw new FormatError(`The archive lacks the storage "${folder}data/${key}".`, details);
    const found = unpacked.get(key) ?? read(entry);
    unpacked.set(key, found);
    return found;
  };
  return { root: value, storage };
}

function checkLength(
  { key, dtype, length, start }: StorageRef,
  bytes: Uint8Array,
  name: string,
  file: string | undefined,
): void {
  const needed = (start + length) * (dtype === undefined ? 1 : arrayTypes[dtype].BYTES_PER_ELEMENT);
  if (bytes.length >= needed) return;
  throw new FormatError(`Tensor "${name}": its storage "${key}" has ${bytes.length} bytes, and needs ${needed}.`, {
    ...(file === undefined ? {} : { file }),
  });
}
