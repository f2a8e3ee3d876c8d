import { type CompileOptions, compile } from "../compiler/compile.ts";
import { OptionError } from "../errors.ts";
import type { Network } from "../networks/network.ts";
import { load } from "../runtime/model.ts";
import type { Weights } from "../tensor.ts";
import { softmax } from "./class_scores.ts";

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
  /** Probabilities `[N, classes]` of pictures `[N, H, W, C]`; valid until the next call. */
  answer(pictures: Float32Array): Float32Array;
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
  const model = await load(compile(network, { weights, ...options }), { warn: () => {} });
  const [input, output] = [model.manifest.inputs[0], model.manifest.outputs[0]] as [Port, Port];
  let answers = new Float32Array(0);
  return {
    answer(pictures) {
      const count = pictures.length / input.elements;
      if (answers.length !== count * output.elements) answers = new Float32Array(count * output.elements);
      for (let row = 0; row < count; row++) {
        model.input(input.name).set(pictures.subarray(row * input.elements, (row + 1) * input.elements));
        model.execute();
        softmax(model.output(output.name), answers.subarray(row * output.elements, (row + 1) * output.elements));
      }
      return answers;
    },
    dispose: () => model.dispose(),
  };
}

interface Port {
  readonly name: string;
  readonly elements: number;
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
