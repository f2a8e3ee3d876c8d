import {
  build,
  compile,
  load,
  type Pixels,
  type Preprocessing,
  pixelsFromRgba,
  preprocess,
  readWeights,
} from "@depthwise/core";

/** What the page is asked to classify, and with what; addresses are fetched. */
export interface PageRequest {
  readonly model: string;
  readonly weights: string;
  readonly preprocessing: Preprocessing;
  readonly photos: readonly string[];
}

/** The page's own decoder, then our preprocessing and network: the logits of each photo. */
export async function classifyInPage({ model, weights, preprocessing, photos }: PageRequest): Promise<Float32Array[]> {
  const network = build(model);
  const bytes = new Uint8Array(await (await fetch(weights)).arrayBuffer());
  using loaded = await load(compile(network, { weights: readWeights(bytes, network) }));
  const logits: Float32Array[] = [];
  for (const photo of photos) {
    const { output } = loaded.run({ input: preprocess(await decodeInPage(photo), preprocessing) });
    logits.push(output as Float32Array);
  }
  return logits;
}

async function decodeInPage(address: string): Promise<Pixels> {
  const bitmap = await createImageBitmap(await (await fetch(address)).blob());
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext(
    "2d",
  ) as OffscreenCanvasRenderingContext2D;
  context.drawImage(bitmap, 0, 0);
  return pixelsFromRgba(context.getImageData(0, 0, bitmap.width, bitmap.height));
}
