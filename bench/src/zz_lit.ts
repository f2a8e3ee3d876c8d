import { compile, load } from "@depthwise/core";
import { readTflite } from "@depthwise/formats";
import { readFileSync, readdirSync } from "node:fs";
import { loadLitert } from "./peers/load_litert.ts";
const sharp = (await import("/work/main/node_modules/sharp/dist/index.cjs" as string)).default;
const D = "/work/shared/data/";
const { loadAndCompile, Tensor } = await loadLitert(1);
for (const [f, size] of [["mobilenet_v1_0.25_224_quant", 224], ["mobilenet_v1_0.25_128_quant", 128]] as const) {
  const bytes = new Uint8Array(readFileSync(`${D}models/${f}.tflite`));
  const lit = await loadAndCompile(bytes, { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
  const m = readTflite(bytes); using model = await load(compile(m.network!.graph, { weights: m.network!.weights }));
  const out = m.network!.graph.outputs[0]!.name, inp = m.network!.graph.nodes[0]!.name;
  let same = 0, n = 0, right = 0, litright = 0;
  for (const p of readdirSync(D + "imagenet-samples").filter((x) => x.endsWith(".jpg")).filter((_, i) => i % 2 === 0)) {
    const jpg = readFileSync(D + "imagenet-samples/" + p);
    const meta = await sharp(jpg).metadata();
    const s = 224; const left = Math.floor((meta.width - s) / 2), top = Math.floor((meta.height - s) / 2);
    if (left < 0 || top < 0) continue;
    const cropped = await sharp(jpg).extract({ left, top, width: s, height: s }).png().toBuffer();
    const rgb: Buffer = await sharp(cropped).resize(size, size).removeAlpha().raw().toBuffer();
    if (rgb.length !== size * size * 3) continue;
    const x = Float32Array.from(rgb, (v) => v * m.pixels!.scale + m.pixels!.offset);
    const y = model.run({ [inp]: x })[out]!;
    const t = new Tensor(Uint8Array.from(rgb) as any, [1, size, size, 3]);
    const [o] = await lit.run([t]); const z = o!.toTypedArray();
    const am = (a: ArrayLike<number>) => { let b = 0; for (let i = 1; i < a.length; i++) if (a[i]! > a[b]!) b = i; return b; };
    const a = am(y), b = am(z); n++; if (a === b || z[a] === z[b]) same++;
    if (a - 1 === Number(p.slice(0, 3))) right++; if (b - 1 === Number(p.slice(0, 3))) litright++;
    t.delete(); o!.delete();
  }
  console.log(f, JSON.stringify({ n, same: same / n, right: right / n, litright: litright / n }));
}
