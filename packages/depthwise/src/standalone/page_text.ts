import { createHash } from "node:crypto";
import { base64 } from "./model_text.ts";
import type { Setup } from "./runtime/setup.ts";
import { pageText } from "./runtime_text.ts";

const style = `
:root { color-scheme: light dark; --line: #8884; --accent: light-dark(#0b57d0, #8ab4f8); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
main { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); align-items: start; }
#drop { display: grid; gap: 1rem; justify-items: center; border: 2px dashed var(--line); border-radius: .75rem; padding: 1.5rem 1rem; text-align: center; }
.over #drop { border-color: var(--accent); }
#drop div { display: flex; flex-wrap: wrap; gap: .5rem; justify-content: center; }
canvas, video { max-width: 100%; max-height: 60vh; border-radius: .5rem; }
[hidden] { display: none; }
label, button { display: inline-block; min-height: 2.75rem; padding: .55rem 1rem; border: 1px solid var(--line); border-radius: .5rem; background: none; color: inherit; font: inherit; cursor: pointer; }
button:disabled, :disabled + label { opacity: .5; cursor: default; }
input { position: absolute; opacity: 0; width: 1px; height: 1px; }
:focus-visible, :focus-visible + label { outline: 3px solid var(--accent); outline-offset: 2px; }
ol { list-style: none; margin: 0; padding: 0; }
li { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; margin-bottom: .75rem; overflow-wrap: anywhere; }
li :nth-child(2) { font-variant-numeric: tabular-nums; }
progress { grid-column: 1 / -1; width: 100%; accent-color: var(--accent); }
p { margin: .5rem 0; }
`;

/** One page with the model inside: works offline, from a file, and lets nothing in or out but what its policy names. */
export function demoPageText(setup: Setup, files: ReadonlyMap<string, Uint8Array>): string {
  const script = `(${pageText})();`;
  const policy = [
    "default-src 'none'",
    `script-src 'wasm-unsafe-eval' ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "img-src data: blob:",
    "media-src blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const data = [...files].map(
    ([file, bytes]) => `<script type="text/plain" data-file id="${file}">${base64(bytes)}</script>`,
  );
  const title = escapeHtml(setup.name);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
<h1>What is on the picture? <small>${title}</small></h1>
<main>
<section id="drop" aria-label="Picture">
<canvas id="picture" role="img" aria-label="The picture" hidden></canvas>
<video id="video" aria-label="The camera" playsinline muted hidden></video>
<p>Drop a picture here, paste one, or</p>
<div><input id="file" type="file" accept="image/*" disabled><label for="file">Choose a picture</label>
<button id="camera" type="button" aria-pressed="false" disabled>Use the camera</button></div>
<p id="status" role="status">Loading ...</p>
</section>
<section id="results" aria-label="Classes" aria-live="polite">
<ol id="scores"></ol>
<p id="time"></p>
<p>Runs in this page. Nothing is sent anywhere.</p>
</section>
</main>
<script type="application/json" id="setup">${JSON.stringify(setup).replaceAll("<", "\\u003c")}</script>
${data.join("\n")}
<script>${script}</script>
</html>
`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
