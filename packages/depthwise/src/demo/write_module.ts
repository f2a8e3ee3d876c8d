import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Pixels } from "@depthwise/core";
import type { ClassScore } from "../classification/best_classes.ts";
import { startProgress } from "../command_line/progress.ts";
import { bytes, percent } from "../command_line/quantities.ts";
import { type Paint, table } from "../command_line/table.ts";
import { readVersion } from "../command_line/version.ts";
import { packModel } from "../standalone/pack_model.ts";
import { writeFolder } from "../standalone/write_folder.ts";
import { freshShape } from "./classify_shapes.ts";
import type { Trained } from "./train_shapes.ts";

/** The part of a written module that is used here. */
interface ModelModule {
  createModel(): Promise<{ classify(picture: Pixels, options: { top: number }): ClassScore[] } & Disposable>;
}

/** Writes the network as files that need nothing else, and classifies a picture by them alone. */
export async function writtenText({ network, weights }: Trained, dim: Paint): Promise<string> {
  const progress = startProgress("interpreting, for the certificate");
  const files = await packModel(network, weights, {
    ...{ page: true, compiler: `depthwise ${readVersion()}` },
    onProgress: (done, total) => progress.update(done, total),
  });
  progress.end();
  const folder = join(await mkdtemp(join(tmpdir(), "depthwise-demo-")), "shapes");
  await writeFolder(folder, files);
  const { createModel } = (await import(pathToFileURL(join(folder, "model.mjs")).href)) as ModelModule;
  using model = await createModel();
  const [best] = model.classify(freshShape(1), { top: 1 });
  const columns = [
    { title: "file", value: ([name]: readonly [string, Uint8Array]) => name },
    {
      title: "size",
      align: "right" as const,
      value: ([, content]: readonly [string, Uint8Array]) => bytes(content.length),
    },
  ];
  return [
    table(columns, [...files], dim),
    `model.mjs alone takes a freshly drawn circle for: ${best?.label}, ${percent(best?.probability ?? 0)}.`,
    `All of it is in ${folder} (demo.html there takes your own pictures); remove it when you like.`,
  ].join("\n");
}
