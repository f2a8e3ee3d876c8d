import { augmentationPresets, OptionError } from "@depthwise/core";
import type { IdeasTraining } from "@depthwise/core/lab";
import { note } from "../command_line/terminal.ts";
import { createLoader } from "../data/loader.ts";
import { openData } from "../data/open_data.ts";

/** Classes of the small networks. */
const classes = 10;
const usualEpochs = 2;

/**
 * Opens DATA for `lab ideas --train`.
 *
 * @throws {OptionError} if it has not ten classes, or nothing to judge by
 */
export async function openIdeasTraining(
  spec: string,
  options: { readonly epochs?: number; readonly seed?: number; readonly threads?: number; readonly wide?: boolean },
): Promise<IdeasTraining> {
  const { epochs = usualEpochs, seed = 0, threads, wide } = options;
  const data = await openData(spec, { seed, onProgress: note });
  const judges = data.test ?? data.validation;
  if (data.labels.length !== classes || judges === undefined) {
    throw new OptionError(
      `lab ideas --train: ${data.name} has ${data.labels.length} classes; the small networks tell ${classes} apart.`,
      { hint: "Use cifar10, shapes, or a folder of ten classes." },
    );
  }
  return {
    ...{ data: data.name, epochs, images: data.train.length, threads, wide },
    open({ preprocessing }, { batch, seed: order }) {
      const loading = { preprocessing, batch };
      const loader = createLoader(data.train, {
        ...loading,
        seed: order,
        augmentation: augmentationPresets.smallPictures,
      });
      const judged = createLoader(judges, loading);
      return {
        batches: loader.batches,
        epoch: (number) => loader.epoch(number),
        validation: () => judged.epoch(0),
        async [Symbol.asyncDispose]() {
          await loader[Symbol.asyncDispose]();
          await judged[Symbol.asyncDispose]();
        },
      };
    },
  };
}
