import type { CompileOptions } from "../compiler/compile.ts";
import { OptionError } from "../errors.ts";
import type { Network } from "../networks/network.ts";
import type { Weights } from "../tensor.ts";
import { loadClassifier } from "./classifier.ts";

/**
 * A trained network whose answers are learned beside the labels: distillation, G. Hinton, O. Vinyals, J. Dean, arXiv:1503.02531, at
 * temperature 1. It sees the same varied pictures as its student, as inference does.
 */
export interface Teacher {
  readonly network: Network;
  readonly weights: Weights;
}

/** A teacher that is ready. */
export interface LoadedTeacher {
  /** Probabilities `[count, classes]` of pictures `[count, H, W, C]`. */
  answer(pictures: Float32Array, count: number): Float32Array;
  dispose(): void;
}

/**
 * Compiles a teacher.
 *
 * @throws {OptionError} if it does not take the student's pictures, or has other classes
 * @throws {WeightsError} if its weights do not fit
 */
export async function loadTeacher(
  { network, weights }: Teacher,
  student: Network,
  options: Pick<CompileOptions, "threads" | "wide" | "simd">,
): Promise<LoadedTeacher> {
  checkTeacher(network, student);
  const classifier = await loadClassifier(network, { weights, ...options });
  const { classes } = classifier;
  return {
    answer(pictures, count) {
      const answers = new Float32Array(count * classes);
      for (let row = 0; row < count; row++) answers.set(classifier.classify(pictures, row), row * classes);
      return answers;
    },
    dispose: () => classifier.dispose(),
  };
}

function checkTeacher(teacher: Network, student: Network): void {
  const differences = [
    ["classes", teacher.classes, student.classes],
    ["labels", teacher.labels ?? student.labels, student.labels],
    ["pictures", teacher.preprocessing, student.preprocessing],
  ] as const;
  for (const [what, theirs, ours] of differences) {
    const [its, own] = [JSON.stringify(theirs), JSON.stringify(ours)];
    if (its === own) continue;
    throw new OptionError(`The teacher ${teacher.name} has other ${what} than ${student.name}: ${its} for ${own}.`, {
      hint: "A teacher must be trained for the same classes, in the same order, and take the same pictures.",
    });
  }
}
