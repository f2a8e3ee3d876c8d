import { FormatError, UnsupportedError } from "@depthwise/core";
import type { MemoryBudget } from "../memory_budget.ts";
import type { DType } from "../typed_arrays.ts";
import type { PickleHost } from "./pickle_machine.ts";
import { ofKind, type PickleOpaque, type PickleTuple, type PickleValue } from "./pickle_values.ts";
import { dtypeNames, type StorageRef, storageTypes, type TensorRef, untypedStorages } from "./torch_values.ts";

/** Gives the object for the arguments of a class or function. */
type Rebuild = (args: readonly PickleValue[], to: Rebuilding) => PickleValue;

/** What rebuilding needs beside the arguments. */
interface Rebuilding {
  readonly budget: MemoryBudget;
  fail(problem: string): FormatError;
}

/** What stands for a class or function in a file of tensors. None of them does anything but take its arguments apart. */
const rebuilders: ReadonlyMap<string, Rebuild> = new Map<string, Rebuild>([
  ["collections.OrderedDict", orderedDict],
  ["collections.defaultdict", () => ({ kind: "dict", keys: [], values: [] })],
  ["torch._utils._rebuild_tensor", rebuildTensor],
  ["torch._utils._rebuild_tensor_v2", rebuildTensor],
  ["torch._utils._rebuild_tensor_v3", rebuildUntypedTensor],
  ["torch._utils._rebuild_parameter", firstTensor],
  ["torch._utils._rebuild_parameter_with_state", firstTensor],
  ["torch.nn.parameter.Parameter", firstTensor],
  ["torch._tensor._rebuild_from_type_v2", rebuildSubclass],
]);

/** Memory for a pair of an OrderedDict, about. */
const pairBytes = 32;
/** Axes that a tensor may have; a network's have five at most. */
const mostAxes = 16;

/** Classes of harmless values beside the tensors: settings, scores, generators. They are taken for nothing. */
const harmless: ReadonlySet<string> = new Set([
  "torch.Size",
  "torch.device",
  "torch.Tensor",
  "torch.serialization._get_layout",
  "_codecs.encode",
  "argparse.Namespace",
  "collections.Counter",
  "builtins.set",
  "builtins.dict",
  "builtins.list",
  "builtins.int",
  "builtins.float",
  "builtins.complex",
  "builtins.bytearray",
  "__builtin__.set",
  "__builtin__.dict",
  "numpy.dtype",
  "numpy.ndarray",
  "numpy.core.multiarray.scalar",
  "numpy._core.multiarray.scalar",
]);

/** Kinds of tensors whose elements we have no type for, by their storage. */
const otherStorages = /^torch\.(cuda\.)?(Complex\w+|Q[U]?Int\w+|Float8\w+|\w+)Storage$/;

/** What names mean in PyTorch's files. */
export function torchHost(budget: MemoryBudget, file?: string): PickleHost {
  const details = file === undefined ? {} : { file };
  const to: Rebuilding = {
    budget,
    fail: (problem) => new FormatError(`Not a valid PyTorch file: ${problem}`, details),
  };
  return {
    global(name) {
      if (rebuilders.has(name) || harmless.has(name) || storageTypes.has(name)) return;
      if (dtypeNames.has(name) || untypedStorages.has(name)) return;
      if (otherStorages.test(name)) {
        throw new UnsupportedError(`The file has a ${name}, whose elements no Tensor has.`, details);
      }
      throw new FormatError(`The file names "${name}", which is not among what a file of tensors may name.`, {
        hint: hintFor(name),
        ...details,
      });
    },
    call(name, args) {
      const rebuild = rebuilders.get(name);
      if (rebuild !== undefined) return rebuild(args, to);
      if (harmless.has(name)) return opaque(name);
      throw to.fail(`"${name}" is called, but makes nothing.`);
    },
    persistent: (id) => storageOf(id, to),
  };
}

function hintFor(name: string): string {
  if (name.startsWith("__torch__")) {
    return "It is a TorchScript archive, a program: load it in Python and save model.state_dict() instead.";
  }
  return "If you trust the file, load it in Python and save its state_dict: torch.save(model.state_dict(), path).";
}

function opaque(name: string): PickleOpaque {
  return { kind: "opaque", name };
}

/** `OrderedDict()`, or of a list of pairs, as Python 2 wrote it. */
function orderedDict(args: readonly PickleValue[], to: Rebuilding): PickleValue {
  const keys: PickleValue[] = [];
  const values: PickleValue[] = [];
  for (const pair of args.length === 0 ? [] : itemsOf(args[0], "an OrderedDict's items", to)) {
    to.budget.spend(pairBytes, "The pickle's objects");
    const [key, value] = itemsOf(pair, "an OrderedDict's item", to);
    if (key === undefined || value === undefined) throw to.fail("an OrderedDict has an item that is no pair.");
    keys.push(key);
    values.push(value);
  }
  return { kind: "dict", keys, values };
}

/** (storage, offset, size, stride, ...) */
function rebuildTensor(args: readonly PickleValue[], to: Rebuilding): PickleValue {
  const storage = ofKind(args[0], "storage");
  if (storage?.dtype === undefined) throw to.fail("a tensor has no storage with a type.");
  return tensorRef(storage, storage.dtype, args, to);
}

/** (storage, offset, size, stride, requires_grad, backward_hooks, dtype, ...) */
function rebuildUntypedTensor(args: readonly PickleValue[], to: Rebuilding): PickleValue {
  const storage = ofKind(args[0], "storage");
  const dtype = dtypeNames.get(ofKind(args[6], "global")?.name ?? "");
  if (storage === undefined || dtype === undefined) throw to.fail("a tensor has no storage or no type.");
  return tensorRef({ ...storage, dtype: undefined }, dtype, args, to);
}

function tensorRef(
  storage: StorageRef,
  dtype: DType,
  [, offset, size, stride]: readonly PickleValue[],
  to: Rebuilding,
): TensorRef {
  const sizes = itemsOf(size, "a tensor's size", to);
  const steps = itemsOf(stride, "a tensor's stride", to);
  if (sizes.length > mostAxes || sizes.length !== steps.length) {
    throw to.fail(`a tensor has ${sizes.length} axes (at most ${mostAxes} are read), and strides for ${steps.length}.`);
  }
  const lengths = sizes.map((each) => wholeNumber(each, "a tensor's size", to));
  const strides = steps.map((each) => wholeNumber(each, "a stride", to));
  const start = wholeNumber(offset, "a tensor's offset", to);
  return { kind: "tensor", storage, dtype, offset: start, size: lengths, stride: strides };
}

/** A parameter is its tensor. */
function firstTensor(args: readonly PickleValue[], to: Rebuilding): PickleValue {
  const tensor = ofKind(args[0], "tensor");
  if (tensor === undefined) throw to.fail("a parameter has no tensor.");
  return tensor;
}

/** (function, class, arguments, state): a tensor with attributes of its own. */
function rebuildSubclass(args: readonly PickleValue[], to: Rebuilding): PickleValue {
  const rebuild = rebuilders.get(ofKind(args[0], "global")?.name ?? "");
  const inner = ofKind(args[2], "tuple");
  if (rebuild === undefined || rebuild === rebuildSubclass || inner === undefined) {
    throw to.fail("a tensor with attributes is of no known kind.");
  }
  return rebuild(inner.items, to);
}

/** ("storage", class, key, device, length), and in the older format a view: (key, offset, length). */
function storageOf(id: PickleValue, to: Rebuilding): StorageRef {
  const [what, type, key, , length, view] = itemsOf(id, "a storage's id", to);
  const name = ofKind(type, "global")?.name ?? "";
  const dtype = storageTypes.get(name);
  if (what !== "storage" || (dtype === undefined && !untypedStorages.has(name))) {
    throw to.fail("a storage has no known type.");
  }
  if (typeof key !== "string" && typeof key !== "number") throw to.fail("a storage has no name.");
  const whole: StorageRef = {
    kind: "storage",
    key: String(key),
    dtype,
    length: wholeNumber(length, "a storage's length", to),
    start: 0,
  };
  if (view === undefined || view === null) return whole;
  const [, start, count] = itemsOf(view, "a storage's view", to);
  return {
    ...whole,
    start: wholeNumber(start, "a view's offset", to),
    length: wholeNumber(count, "a view's length", to),
  };
}

function itemsOf(value: PickleValue | undefined, what: string, to: Rebuilding): PickleTuple["items"] {
  const items = (ofKind(value, "tuple") ?? ofKind(value, "list"))?.items;
  if (items === undefined) throw to.fail(`${what} is no list.`);
  return items;
}

function wholeNumber(value: PickleValue | undefined, what: string, to: Rebuilding): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw to.fail(
    `${what} must be whole numbers of at least 0, received ${typeof value === "object" ? "another object" : value}.`,
  );
}
