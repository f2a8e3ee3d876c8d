import { trainOnShapes } from "./train_in_page.ts";

/** The worker that `trainOnShapesInWorker` starts. */
addEventListener("message", async ({ data: [pictures, epochs] }: MessageEvent<[number, number]>) => {
  postMessage(await trainOnShapes(pictures, epochs, 1));
});
