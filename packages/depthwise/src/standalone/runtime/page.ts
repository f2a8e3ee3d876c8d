/** What `demo.html` runs: one picture or the camera in, the most probable classes out. Nothing leaves the page. */
import { decode } from "./inline.ts";
import { create, type Picture, type StandaloneModel } from "./runtime.ts";
import type { Setup } from "./setup.ts";

const top = 5;

function byId<Kind extends HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

/** The text of a data block; its bytes are base64. */
function textOf(id: string): string {
  return byId(id).textContent ?? "";
}

/** Shows classes as a list with a bar for each. */
function showScores(model: StandaloneModel, picture: Picture): void {
  const start = performance.now();
  const scores = model.classify(picture, { top });
  const elapsed = performance.now() - start;
  const rows = scores.map(({ label, probability }) => {
    const row = document.createElement("li");
    const [name, share, bar] = ["span", "span", "progress"].map((tag) => document.createElement(tag));
    name!.textContent = label;
    share!.textContent = `${(100 * probability).toFixed(1)} %`;
    Object.assign(bar!, { value: probability, max: 1 });
    bar!.setAttribute("aria-hidden", "true");
    row.append(name!, share!, bar!);
    return row;
  });
  byId("scores").replaceChildren(...rows);
  byId("time").textContent = `${elapsed.toFixed(1)} ms, picture to classes`;
}

function say(message: string): void {
  byId("status").textContent = message;
}

async function showFile(model: StandaloneModel, file: Blob): Promise<void> {
  try {
    const picture = await createImageBitmap(file);
    const canvas = byId<HTMLCanvasElement>("picture");
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext("2d")?.drawImage(picture, 0, 0);
    canvas.hidden = false;
    say("");
    showScores(model, picture);
    picture.close();
  } catch {
    say("This browser cannot read that file as a picture.");
  }
}

/** The camera, classified again and again until it is turned off. */
function createCamera(model: StandaloneModel): { toggle(): Promise<void>; stop(): void } {
  const video = byId<HTMLVideoElement>("video");
  const button = byId("camera");
  let stream: MediaStream | undefined;
  const stop = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = undefined;
    video.hidden = true;
    button.textContent = "Use the camera";
    button.setAttribute("aria-pressed", "false");
    byId("results").setAttribute("aria-live", "polite");
  };
  const next = () => {
    if (stream === undefined) return;
    if (video.videoWidth > 0) showScores(model, video);
    requestAnimationFrame(next);
  };
  return {
    stop,
    async toggle() {
      if (stream !== undefined) return stop();
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      } catch {
        return say("There is no camera, or it may not be used.");
      }
      say("");
      byId("picture").hidden = true;
      byId("results").setAttribute("aria-live", "off"); // thirty times a second is not to be read out
      button.textContent = "Stop the camera";
      button.setAttribute("aria-pressed", "true");
      video.srcObject = stream;
      video.hidden = false;
      await video.play();
      next();
    },
  };
}

export async function start(): Promise<void> {
  const setup = JSON.parse(textOf("setup")) as Setup;
  const names = [...document.querySelectorAll<HTMLElement>("script[data-file]")].map(({ id }) => id);
  const files = Object.fromEntries(names.map((name) => [name, () => decode(textOf(name))]));
  try {
    const model = await create(setup, files);
    const camera = createCamera(model);
    const take = (list: Iterable<File> | undefined | null) => {
      const [file] = list ?? [];
      if (!file) return;
      camera.stop();
      void showFile(model, file);
    };
    const input = byId<HTMLInputElement>("file");
    input.onchange = () => take(input.files);
    byId("camera").onclick = () => void camera.toggle();
    document.ondragover = (event) => {
      event.preventDefault();
      document.body.classList.add("over");
    };
    document.ondragleave = () => document.body.classList.remove("over");
    document.ondrop = (event) => {
      event.preventDefault();
      document.body.classList.remove("over");
      take(event.dataTransfer?.files);
    };
    document.onpaste = (event) => take(event.clipboardData?.files);
    for (const control of [input, byId<HTMLButtonElement>("camera")]) control.disabled = false;
    say("Ready.");
  } catch (error) {
    say(`The model could not be loaded: ${error instanceof Error ? error.message : error}`);
  }
}
