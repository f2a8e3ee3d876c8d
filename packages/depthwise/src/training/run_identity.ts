import { createHash } from "node:crypto";
import type { Augmentation, Network, Recipe, Teacher } from "@depthwise/core";
import type { DataSet, PictureSet } from "../data/data_set.ts";
import { weightsHash } from "../weights_hash.ts";

/** What decides a run's weights: a checkpoint goes on only with the same. */
export interface RunIdentity {
  readonly network: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly data: string;
  readonly labels: readonly string[];
  readonly pictures: {
    readonly train: number;
    readonly validation: number;
    /** Of their classes, and of the names of files. */
    readonly hash: string;
  };
  readonly augmentation: Augmentation;
  readonly balance: "none" | "sample";
  readonly recipe: Recipe;
  /** Whose answers are learned too, if anybody's. */
  readonly teachers?: readonly TeacherIdentity[];
}

/** What tells a teacher from others. */
export interface TeacherIdentity {
  readonly network: string;
  /** Of its weights. */
  readonly hash: string;
}

/** The parts of an identity, in the order in which a difference is worth telling. */
export const identityParts: readonly (keyof RunIdentity)[] = [
  "network",
  "options",
  "data",
  "labels",
  "pictures",
  "augmentation",
  "balance",
  "recipe",
  "teachers",
];

/** The identity of a run of a network on data. */
export function identityOf(
  network: Network,
  data: DataSet,
  how: Pick<RunIdentity, "augmentation" | "balance" | "recipe" | "teachers">,
): RunIdentity {
  const hash = createHash("sha256");
  for (const set of [data.train, data.validation]) if (set) addSet(hash, set);
  return {
    network: network.name,
    options: network.options,
    data: data.name,
    labels: data.labels,
    pictures: {
      train: data.train.length,
      validation: data.validation?.length ?? 0,
      hash: hash.digest("hex").slice(0, 16),
    },
    ...how,
  };
}

/** The identity of a teacher. */
export function teacherIdentity({ network, weights }: Teacher): TeacherIdentity {
  return { network: network.name, hash: weightsHash(weights) };
}

function addSet(hash: ReturnType<typeof createHash>, set: PictureSet): void {
  const { buffer, byteOffset, byteLength } = set.classes;
  hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  if (set.kind === "files") for (const file of set.files) hash.update(`${file}\0`);
}
