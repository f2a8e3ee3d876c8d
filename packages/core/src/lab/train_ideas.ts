import { describe } from "../cost/describe.ts";
import { DepthwiseError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import type { Network } from "../networks/network.ts";
import { initializeForTraining } from "../train/initialize_for_training.ts";
import { defaultRecipe, type Recipe } from "../train/recipe.ts";
import { type TrainingData, train } from "../train/train.ts";
import type { Idea } from "./idea_twins.ts";

/** How the small networks are trained: each on the same pictures in the same order. */
export interface IdeasTraining {
  /** What on, for the report: `cifar10`. */
  readonly data: string;
  readonly epochs: number;
  /** Training pictures of an epoch. */
  readonly images: number;
  readonly threads?: number | undefined;
  readonly wide?: boolean | undefined;
  /** Pictures of ten classes for a network of 32x32, and those that judge it. Disposed of after each network. */
  open(network: Network, settings: { readonly batch: number; readonly seed: number }): TrainingData & AsyncDisposable;
}

/** A small network after its training. */
export interface TrainedTwin {
  readonly parameters: number;
  readonly macs: number;
  /** Share of the test pictures that were recognised; null where the loss left the numbers. */
  readonly top1: number | null;
}

/** An idea's small network and its twin, trained alike. */
export interface IdeaAccuracy {
  readonly withIdea: TrainedTwin;
  readonly withoutIdea: TrainedTwin;
}

/** Trains the small network of each idea and its twin. Networks that several ideas have in common are trained once. */
export async function trainIdeas(
  ideas: readonly Idea[],
  training: IdeasTraining,
  seed: number,
  onProgress: (share: number, what: string) => void,
): Promise<ReadonlyMap<string, IdeaAccuracy>> {
  const graphs = ideas.flatMap(({ withIdea, withoutIdea }) => [withIdea("small"), withoutIdea("small")]);
  const distinct = new Map(graphs.map((graph) => [keyOf(graph), graph]));
  const trained = new Map<string, TrainedTwin>();
  for (const [key, graph] of distinct) {
    const before = trained.size;
    const twin = await trainTwin(graph, training, seed, (share) =>
      onProgress((before + share) / distinct.size, `training ${graph.name}`),
    );
    trained.set(key, twin);
  }
  return new Map(
    ideas.map(({ id, withIdea, withoutIdea }) => {
      const [own, twin] = [withIdea, withoutIdea].map((graphOf) => trained.get(keyOf(graphOf("small"))) as TrainedTwin);
      return [id, { withIdea: own as TrainedTwin, withoutIdea: twin as TrainedTwin }];
    }),
  );
}

/** Options of a network are not in its graph's name, but in its costs. */
function keyOf(graph: Graph): string {
  const { parameters, macs } = describe(graph);
  return `${graph.name} ${parameters} ${macs}`;
}

async function trainTwin(
  graph: Graph,
  training: IdeasTraining,
  seed: number,
  onProgress: (share: number) => void,
): Promise<TrainedTwin> {
  const { parameters, macs } = describe(graph);
  const network: Network = { ...build("mobilenet_v2_cifar"), name: graph.name, graph };
  const recipe = recipeFor(training.epochs, seed);
  await using data = training.open(network, { batch: recipe.batch, seed });
  const { threads, wide } = training;
  const weights = initializeForTraining(graph, seed);
  const epochs = train(network, data, recipe, {
    ...{ weights, threads, wide },
    onStep: (done, of, { epoch }) => onProgress((epoch - 1 + done / of) / training.epochs),
  });
  let top1: number | null = null;
  try {
    for await (const { record } of epochs) top1 = record.validationTop1;
  } catch (cause) {
    if (!(cause instanceof DepthwiseError && cause.code === "diverged")) throw cause;
    top1 = null;
  }
  return { parameters, macs, top1 };
}

function recipeFor(epochs: number, seed: number): Recipe {
  // A short run's average must forget its first steps.
  return { ...defaultRecipe, epochs, seed, averageDecay: 0.98, warmUp: Math.min(1, epochs / 4) };
}
