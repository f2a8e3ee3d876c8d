import {
  batchesInMemory,
  compile,
  drawShape,
  drawShapes,
  evaluate,
  load,
  type Pixels,
  preprocess,
  shapeLabels,
} from "@depthwise/core";
import { bestClasses } from "../classification/best_classes.ts";
import { percent } from "../command_line/quantities.ts";
import { type Paint, table } from "../command_line/table.ts";
import type { Trained } from "./train_shapes.ts";

/** Pictures of this seed were never seen in training. */
const freshSeed = 1;
const freshPictures = 1000;

/** A picture that was drawn just now. */
export function freshShape(index: number): Pixels {
  return drawShape(index, { split: "test", seed: freshSeed });
}

/** What the compiled network takes one fresh picture of each class for, and how often it is right on many. */
export async function classifiedText({ network, weights }: Trained, dim: Paint): Promise<string> {
  using model = await load(compile(network, { weights }));
  const rows = shapeLabels.map((drawn, index) => {
    const { output } = model.run({ input: preprocess(freshShape(index), network.preprocessing) });
    const [first, second] = bestClasses(output as Float32Array, 2, shapeLabels);
    return { drawn, first, second };
  });
  const columns = [
    { title: "drawn", value: ({ drawn }: (typeof rows)[number]) => drawn },
    { title: "taken for", value: ({ first }: (typeof rows)[number]) => first?.label ?? "" },
    {
      title: "sure",
      align: "right" as const,
      value: ({ first }: (typeof rows)[number]) => percent(first?.probability ?? 0),
    },
    { title: "or else", value: ({ second }: (typeof rows)[number]) => second?.label ?? "" },
  ];
  const fresh = drawShapes({ count: freshPictures, split: "test", seed: freshSeed });
  const { preprocessing } = network;
  const { top1 } = await evaluate(network, batchesInMemory(fresh, { batch: 100, preprocessing }), { weights });
  return `${table(columns, rows, dim)}\nRight on ${percent(top1)} of ${freshPictures} freshly drawn pictures.`;
}
