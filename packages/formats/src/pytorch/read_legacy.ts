import { FormatError } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import { arrayTypes } from "../typed_arrays.ts";
import { legacyMagic, unpickle } from "./pickle_machine.ts";
import { ofKind, type PickleValue } from "./pickle_values.ts";
import { checkByteOrder, type TorchArchive } from "./torch_archive.ts";
import { torchHost } from "./torch_host.ts";
import type { StorageRef } from "./torch_values.ts";

/** How the older format begins: a pickle of its magic number, after the protocol's version. */
const legacyStart: readonly number[] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
/** The only version that there ever was. */
const legacyVersion = 1001;

/** Whether a file is of the format before PyTorch 1.6. */
export function isLegacy(bytes: Uint8Array): boolean {
  return bytes[0] === 0x80 && legacyStart.every((byte, i) => bytes[i + 2] === byte);
}

/**
 * Pickles one after another: a magic number, a version, the machine that wrote it, the object, the storages' names; then for each storage
 * its length (8 bytes) and its elements.
 */
export function readLegacy(bytes: Uint8Array, budget: MemoryBudget, file: string | undefined): TorchArchive {
  const details = file === undefined ? {} : { file };
  const storages = new Map<string, StorageRef>();
  const host = torchHost(budget, file);
  const noting = {
    ...host,
    persistent(id: PickleValue): PickleValue {
      const storage = host.persistent(id);
      const ref = ofKind(storage, "storage");
      if (ref !== undefined) storages.set(ref.key, ref);
      return storage;
    },
  };
  let at = 0;
  const next = (): PickleValue => {
    const { value, end } = unpickle(bytes, at, { host: noting, budget, file });
    at = end;
    return value;
  };
  const [magic, version, machine, root, keys] = [next(), next(), next(), next(), next()];
  if (magic !== legacyMagic || version !== legacyVersion) {
    throw new FormatError(`Not a valid PyTorch file: its version is ${String(version)}, expected 1001.`, details);
  }
  checkByteOrder(isLittleEndian(machine) ? "little" : "big", file);
  const places = new Map<string, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const key of ofKind(keys, "list")?.items ?? []) {
    const ref = storages.get(String(typeof key === "string" || typeof key === "number" ? key : ""));
    if (ref === undefined) throw new FormatError("The file lists a storage that no tensor has.", details);
    const bytesEach = ref.dtype === undefined ? 1 : arrayTypes[ref.dtype].BYTES_PER_ELEMENT;
    const length = at + 8 > bytes.length ? undefined : view.getBigInt64(at, true);
    const end = at + 8 + Number(length ?? 0n) * bytesEach;
    if (length === undefined || length < 0n || end > bytes.length) {
      throw new FormatError(
        `Storage "${ref.key}" at byte ${at} has ${length ?? "no"} elements, but the file ends at ${bytes.length}.`,
        details,
      );
    }
    places.set(ref.key, bytes.subarray(at + 8, end));
    at = end;
  }
  const storage = (key: string): Uint8Array => {
    const place = places.get(key);
    if (place === undefined) throw new FormatError(`The file lacks the storage "${key}".`, details);
    return place;
  };
  return { root, storage };
}

function isLittleEndian(machine: PickleValue): boolean {
  const dict = ofKind(machine, "dict");
  return dict?.values[dict.keys.indexOf("little_endian")] !== false;
}
