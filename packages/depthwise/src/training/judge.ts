import { type Evaluation, evaluate, type Network, type Weights } from "@depthwise/core";
import { note } from "../command_line/terminal.ts";
import type { PictureSet } from "../data/data_set.ts";
import { createLoader } from "../data/loader.ts";

/** A picture that was taken for something else. */
export interface Mistake {
  /** Which picture of the set. */
  readonly index: number;
  readonly truth: number;
  readonly answer: number;
  /** Probabilities of the answer and of the true class. */
  readonly confidence: number;
  readonly truthProbability: number;
}

/** How good a network is on a set, and where it was most surely wrong. */
export interface Judgement {
  readonly evaluation: Evaluation;
  /** The surest first. */
  readonly mistakes: readonly Mistake[];
}

/** Options of `judge`. */
export interface JudgeOptions {
  readonly threads?: number | undefined;
  readonly wide?: boolean | undefined;
  /** Mistakes that are kept. Default 0. */
  readonly mistakes?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Pictures made ready at a time. */
const batch = 64;

/** Measures a network on a set of pictures. Those that cannot be read are told and left out. */
export async function judge(
  { network, weights }: { readonly network: Network; readonly weights: Weights },
  set: PictureSet,
  { threads, wide, mistakes: most = 0, onProgress = () => {} }: JudgeOptions = {},
): Promise<Judgement> {
  await using loader = createLoader(set, { batch, preprocessing: network.preprocessing });
  /** Which picture the n-th one is: others were left out before it. */
  const indices: number[] = [];
  async function* batches() {
    for await (const made of loader.epoch(0)) {
      indices.push(...made.indices);
      yield made;
    }
  }
  const mistakes: Mistake[] = [];
  const evaluation = await evaluate(network, batches(), {
    ...{ weights, threads, wide },
    onPicture(number, truth, probabilities) {
      onProgress(number + 1, set.length);
      const answer = probabilities.indexOf(Math.max(...probabilities));
      if (most === 0 || answer === truth || answer < 0) return;
      const [confidence, truthProbability] = [probabilities[answer] as number, probabilities[truth] as number];
      mistakes.push({ index: indices[number] as number, truth, answer, confidence, truthProbability });
      mistakes.sort((a, b) => b.confidence - a.confidence);
      if (mistakes.length > most) mistakes.pop();
    },
  });
  for (const { file, reason } of loader.skipped) note(`${file} was left out: ${reason}`);
  return { evaluation, mistakes };
}

/** How often a class was recognised. */
export interface ClassFigure {
  readonly label: string;
  /** Share of its pictures; null where there are none. */
  readonly top1: number | null;
  readonly images: number;
  /** The class that it was most often taken for, and how often. */
  readonly takenFor: { readonly label: string; readonly images: number } | undefined;
}

/** What a confusion matrix says of each class. */
export function classFigures({ confusion }: Evaluation, labels: readonly string[]): readonly ClassFigure[] {
  return labels.map((label, i) => {
    const answers = confusion[i] ?? [];
    const images = answers.reduce((sum, count) => sum + count, 0);
    const worst = answers.reduce((best, count, j) => (j !== i && count > (answers[best] ?? 0) ? j : best), -1);
    const takenFor = worst < 0 ? undefined : { label: labels[worst] as string, images: answers[worst] as number };
    return { label, top1: images === 0 ? null : (answers[i] as number) / images, images, takenFor };
  });
}
