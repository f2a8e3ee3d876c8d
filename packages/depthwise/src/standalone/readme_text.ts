import { bytes, count } from "../command_line/quantities.ts";
import type { Certificate } from "./certificate.ts";

/** What the README of a compiled model is made from. */
export interface ReadmeFacts {
  readonly certificate: Certificate;
  /** Files and their sizes in bytes. */
  readonly files: ReadonlyMap<string, number>;
  readonly classes: number;
  readonly isSingle: boolean;
}

/** README.md of a compiled model: what it costs, how to use it. */
export function readmeText({ certificate, files, classes, isSingle }: ReadmeFacts): string {
  const { model, compiler, macs, parameters, memory, weights, threads, reference, builds } = certificate;
  const [, height, width, channels] = reference.input;
  const rows = [...files].map(([file, size]) => `| \`${file}\` | ${bytes(size)} | ${fileWords(file)} |`);
  const code = builds.map(({ simd }) => (simd === "relaxed" ? "relaxed SIMD" : "SIMD")).join(", else ");
  return `# ${model}

Compiled to WebAssembly by ${compiler}: no other file, package or server is needed.

| | |
| --- | --- |
| input | ${height} x ${width} pixels, ${channels} channels; pictures of any size are resized and cropped |
| output | ${classes} classes |
| multiply-accumulates | ${count(macs)} |
| parameters | ${count(parameters)}, stored as ${weights.type} |
| memory | ${bytes(memory.total)} in all: weights ${bytes(memory.weights)}, activations ${bytes(memory.activations)} |
| runs on | ${code}${threads > 1 ? `; up to ${threads} threads` : ""} |
| largest difference from the plain interpreter | ${certificate.largestDifference.toPrecision(2)} in the logits |

## Use

\`\`\`js
import { createModel } from "./model.mjs";

const model = await createModel();
const [best] = model.classify(picture, { top: 1 }); // ImageBitmap, <img>, <video>, <canvas>, ImageData, { data, width, height }
console.log(best.label, best.probability);
\`\`\`

\`model.run(floats)\` takes ${reference.input.join("x")} numbers, normalised already, and returns the logits; \`model.dispose()\` frees the memory.
\`model.d.mts\` has the types. It works in pages, workers and service workers, and in Node from 20.16 on, Deno and Bun.

${isSingle ? singleWords : bundlerWords(files)}
A content security policy needs \`script-src 'self' 'wasm-unsafe-eval'\`${isSingle ? "" : " and `connect-src 'self'`"}, and no more.
${threads > 1 ? threadWords : ""}
## Files

| file | size | what |
| --- | --- | --- |
${rows.join("\n")}

\`depthwise verify\` on this folder runs the model again and compares it with the certificate.
`;
}

const singleWords = `Everything is inside \`model.mjs\`; nothing is fetched. That is for small models and awkward places: weights as text are a third larger,
and are parsed as a program before anything runs.
`;

function bundlerWords(files: ReadonlyMap<string, number>): string {
  const names = [...files.keys()].filter((file) => /\.(wasm|weights)$|worker/.test(file)).map((file) => `\`${file}\``);
  return `Vite, webpack and Next find the other files by themselves. esbuild and Rollup do not follow \`new URL(...)\`: copy ${names.join(", ")} beside
the bundle, or say where they are: \`createModel({ files: { "model.wasm": url } })\`.
`;
}

const threadWords = `Threads need a cross-origin isolated page (\`Cross-Origin-Opener-Policy: same-origin\`, \`Cross-Origin-Embedder-Policy: require-corp\`); elsewhere
the model runs on one.
`;

function fileWords(file: string): string {
  return fileKinds.find(([pattern]) => pattern.test(file))?.[1] ?? "";
}

const fileKinds: readonly (readonly [RegExp, string])[] = [
  [/plain\.wasm$/, "the code for engines without relaxed SIMD"],
  [/\.wasm$/, "the network"],
  [/\.weights$/, "its weights"],
  [/worker\.mjs$/, "what the other threads run"],
  [/\.mjs$/, "`createModel`"],
  [/\.d\.m?ts$/, "types for TypeScript"],
  [/\.html$/, "a page to try it in, offline"],
  [/\.json$/, "hashes, and a reference output to prove it again"],
];
