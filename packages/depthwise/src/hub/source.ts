import { createHash } from "node:crypto";
import { OptionError } from "@depthwise/core";

/** Where a file is fetched from. */
export interface Source {
  readonly url: URL;
  /** Below the cache folder. */
  readonly cachePath: readonly string[];
  /** Of a model on the Hugging Face hub. */
  readonly repository?: { readonly name: string; readonly file: string; readonly listing: URL };
}

const hubAddress = "https://huggingface.co";
/** The file that models on the hub have by custom. */
const usualFile = "model.safetensors";

/**
 * Reads `hf:ORG/NAME`, `hf:ORG/NAME/FILE`, or an address.
 *
 * @param endpoint of the hub; the variable `HF_ENDPOINT` names a mirror
 * @throws {OptionError} for anything else
 */
export function parseSource(text: string, endpoint: string = process.env.HF_ENDPOINT || hubAddress): Source {
  if (text.startsWith("hf:")) return hubSource(text, endpoint);
  if (!/^https?:\/\//i.test(text)) {
    throw new OptionError(`pull: expected hf:ORG/NAME or an address, received "${text}".`, {
      hint: "hf:timm/mobilenetv2_100.ra_in1k, for instance; depthwise pull --list shows what is known.",
    });
  }
  const url = urlOf(text, text);
  return { url, cachePath: cachePathOf(url) };
}

function hubSource(text: string, endpoint: string): Source {
  const [org = "", name = "", ...path] = text.slice("hf:".length).split("/");
  const file = path.length === 0 ? usualFile : path.join("/");
  const isPart = (part: string): boolean => /^[\w][\w.-]*$/.test(part);
  if (![org, name, ...file.split("/")].every(isPart)) {
    throw new OptionError(`pull: expected hf:ORG/NAME or hf:ORG/NAME/FILE, received "${text}".`);
  }
  const base = endpoint.replace(/\/+$/, "");
  const url = urlOf(`${base}/${org}/${name}/resolve/main/${file}`, text);
  return {
    url,
    cachePath: [url.host.replace(":", "_"), org, name, ...file.split("/")],
    repository: { name: `${org}/${name}`, file, listing: urlOf(`${base}/api/models/${org}/${name}`, text) },
  };
}

function urlOf(address: string, text: string): URL {
  if (!URL.canParse(address)) throw new OptionError(`pull: "${text}" is no address.`);
  const url = new URL(address);
  if (url.username !== "" || url.password !== "") {
    throw new OptionError(
      `pull: an address with a user name or a password in it is not taken: it would be kept in the cache.`,
    );
  }
  url.hash = "";
  return url;
}

/** Host and path, in characters that every file system takes; a query as its hash. */
function cachePathOf(url: URL): readonly string[] {
  const parts = url.pathname.split("/").filter((part) => part !== "");
  const safe = (part: string): string =>
    decodeSafely(part)
      .replaceAll(/[^\w.-]/g, "_")
      .replace(/^\.+$/, "_")
      .slice(-120);
  const file = safe(parts.at(-1) ?? "download");
  const query = url.search === "" ? [] : [createHash("sha256").update(url.search).digest("hex").slice(0, 16)];
  return [safe(url.host), ...parts.slice(0, -1).map(safe), ...query, file];
}

function decodeSafely(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray %
  }
}
