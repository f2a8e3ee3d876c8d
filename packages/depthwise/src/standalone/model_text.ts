import type { Setup } from "./runtime/setup.ts";
import { inlineText, runtimeText, threadsText, workerText } from "./runtime_text.ts";

/** File of the threads' script. */
export const workerFile = "model.worker.mjs";

/** `model.mjs` that fetches the files beside it. Addresses are written out, so that bundlers see them. */
export function moduleText(setup: Setup, files: readonly string[], compiler: string): string {
  const places = files.map((file) => `"${file}":()=>new URL("./${file}",import.meta.url)`);
  const webWorker = `new Worker(new URL("./${workerFile}",import.meta.url),{type:"module"})`;
  const nodeWorker = `new(${nodeThreads}.Worker)(new URL("./${workerFile}",import.meta.url))`;
  return [
    `/* By ${compiler}; see README.md */`,
    `const create=${runtimeText};`,
    `const setup=${setupText(setup)};`,
    `const files={${places.join(",")}};`,
    ...exportText(setup, `globalThis.Worker?${webWorker}:${nodeWorker}`),
  ].join("\n");
}

/** `model.mjs` with everything inside, which fetches nothing. */
export function singleModuleText(setup: Setup, files: ReadonlyMap<string, Uint8Array>, compiler: string): string {
  // Outside of functions, so that engines parse megabytes once: they look through a function first, and again when it is called.
  const contents = [...files].map(([file, bytes]) => `"${file}":"${base64(bytes)}"`);
  const address = `URL.createObjectURL(new Blob([work],{type:"text/javascript"}))`;
  const worker = `globalThis.Worker?new Worker(${address},{type:"module"}):new(${nodeThreads}.Worker)(work,{eval:true})`;
  return [
    `/* By ${compiler}; see README.md */`,
    `const create=${runtimeText};`,
    `const decode=${inlineText};`,
    `const setup=${setupText(setup)};`,
    `const texts={${contents.join(",\n")}};`,
    "const files=Object.fromEntries(Object.keys(texts).map((file)=>[file,()=>decode(texts[file])]));",
    ...(setup.threads > 1 ? [`const work=${JSON.stringify(workerText)};`] : []),
    ...exportText(setup, worker),
  ].join("\n");
}

const nodeThreads = `process.getBuiltinModule("node:worker_threads")`;

/** The setup as JSON; the plain build without what it has in common with the other. */
function setupText(setup: Setup): string {
  const { relaxed, plain } = setup;
  if (relaxed === undefined || plain === undefined) return JSON.stringify(setup);
  const same = new Map(Object.entries(relaxed).map(([field, value]) => [field, JSON.stringify(value)]));
  const own = Object.entries(plain).filter(([field, value]) => same.get(field) !== JSON.stringify(value));
  return JSON.stringify({ ...setup, plain: Object.fromEntries(own) });
}

function exportText({ threads }: Setup, worker: string): readonly string[] {
  if (threads === 1) return ["export const createModel=(options)=>create(setup,files,options);", ""];
  return [
    `const start=${threadsText};`,
    `export const createModel=(options)=>create(setup,files,options,(...all)=>start(()=>${worker},...all));`,
    "",
  ];
}

/** Bytes as they stand in a text. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Files that stand in a text: those of `singleModuleText`, and those of a page's data blocks. */
export function filesInText(text: string): ReadonlyMap<string, Uint8Array> {
  const inModule = text.matchAll(/^(?:const texts=\{)?"(model[\w.]*)":"([A-Za-z0-9+/=]*)"/gm);
  const inPage = text.matchAll(/<script type="text\/plain" data-file id="(model[\w.]*)">([A-Za-z0-9+/=]*)<\/script>/g);
  return new Map([...inModule, ...inPage].map(([, file = "", content = ""]) => [file, Buffer.from(content, "base64")]));
}
