import {
  augmentationPresets,
  batchesInMemory,
  build,
  defaultRecipe,
  drawShapes,
  initializeForTraining,
  train,
} from "depthwise";

const network = build("mobilenet_v1", { width: 0.25, shallow: true, smallStem: true, resolution: 32, classes: 10 });
const { preprocessing } = network;
const recipe = { ...defaultRecipe, epochs: 3, averageDecay: 0.9 };
const { batch } = recipe;
const pictures = drawShapes({ count: 3200, split: "train" }); // or your own: picturesInMemory({ size, data, classes, labels })
const unseen = drawShapes({ count: 500, split: "validation" });
const augmentation = augmentationPresets.shapes;

const epochs = train(
  network,
  {
    batches: Math.floor(pictures.length / batch),
    epoch: (epoch) => batchesInMemory(pictures, { batch, preprocessing, augmentation, epoch }),
    validation: () => batchesInMemory(unseen, { batch, preprocessing }),
  },
  recipe,
  { weights: initializeForTraining(network.graph, 0) },
);
for await (const { record, weights } of epochs) {
  const right = Math.round(100 * (record.validationTop1 ?? 0));
  console.log(
    `epoch ${record.epoch}: right on ${right} % of unseen pictures; ${weights().size} arrays of weights to use`,
  );
}
