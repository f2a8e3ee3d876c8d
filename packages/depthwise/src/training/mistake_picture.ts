import { pictureAt } from "@depthwise/core";
import type { Pictures } from "@depthwise/core/plot";
import { percent } from "../command_line/quantities.ts";
import type { PictureSet } from "../data/data_set.ts";
import { decodePicture } from "../pictures/decode_picture.ts";
import type { Mistake } from "./judge.ts";

/** Pixels of a side, at most: twice what a page shows, for dense screens. */
const side = 192;
const jpegQuality = 70;

/** A mistake as a page shows it: the picture itself, inside the page. */
export async function mistakePicture(mistake: Mistake, set: PictureSet): Promise<Pictures["pictures"][number]> {
  const { index, truth, answer, confidence, truthProbability } = mistake;
  const [is, takenFor] = [set.labels[truth] as string, set.labels[answer] as string];
  const name = set.kind === "files" ? (set.files[index] as string) : `picture ${index}`;
  const { data, width, height } = set.kind === "files" ? await decodePicture(name) : pictureAt(set, index);
  const { default: sharp } = await import("sharp");
  const raw = sharp(data, { raw: { width, height, channels: 3 } });
  // Small pictures stay as they are: to the pixel, and smaller so.
  const isSmall = width <= side / 2 && height <= side / 2;
  const encoded = isSmall
    ? await raw.png({ compressionLevel: 9 }).toBuffer()
    : await raw.resize(side, side, { fit: "cover" }).jpeg({ quality: jpegQuality }).toBuffer();
  return {
    address: `data:image/${isSmall ? "png" : "jpeg"};base64,${encoded.toString("base64")}`,
    lines: [`${takenFor}, ${percent(confidence)}`, `is: ${is}`],
    title: `${name}: a ${is} (${percent(truthProbability)}) taken for a ${takenFor} (${percent(confidence)})`,
    pixelated: isSmall,
  };
}
