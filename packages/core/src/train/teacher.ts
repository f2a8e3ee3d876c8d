import type { CompileOptions } from "../compiler/compile.ts";
import { OptionError } from "../errors.ts";
import type { Network } from "../networks/network.ts";
import type { Weights } from "../tensor.ts";
import { type Classifier, loadClassifier } from "./classifier.ts";

/**
 * A trained network whose answers are learned beside the labels: distillation, G. Hinton, O. Vinyals, J. Dean, arXiv:1503.02531, at
 * temperature 1. It sees the same varied pictures as its student, as inference does.
 */
export interface Teacher {
  readonly network: Network;
  readonly weights: Weights;
}

/** Teachers that are ready. */
export interface LoadedTeachers {
  /** Probabilities `[count, classes]` of pictures `[count, H, W, C]`: the mean of what each one says. */
  answer(pictures: Float32Array, count: number): Float32Array;
  dispose(): void;
}

/**
 * Compiles teachers.
 *
 * @throws {OptionError} if one does not take the student's pictures, or has other classes
 * @throws {WeightsError} if the weights of one do not fit
 */
export async function loadTeachers(
  teachers: readonly Teacher[],
  student: Network,
  options: Pick<CompileOptions, "threads" | "wide" | "simd">,
): Promise<LoadedTeachers> {
  for (const { network } of teachers) checkTeacher(network, student);
  const classifiers: Classifier[] = [];
  const dispose = () => classifiers.forEach((classifier) => classifier.dispose());
  try {
    for (const { network, weights } of teachers) {
      classifiers.push(await loadClassifier(network, { weights, ...options }));
    }
  } catch (error) {
    dispose();
    throw error;
  }
  const { classes } = student;
  return {
    answer(pictures, count) {
      const answers = new Float32Array(count * classes);
      for (let row = 0; row < count; row++) {
        for (const classifier of classifiers) {
          classifier.classify(pictures, row).forEach((share, i) => {
            const at = row * classes + i;
            answers[at] = (answers[at] as number) + share / classifiers.length;
          });
        }
      }
      return answers;
    },
    dispose,
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
