import { OptionError } from "@depthwise/core";
import type { CommonOptions, Invocation } from "../command_line/invocation.ts";
import { startProgress } from "../command_line/progress.ts";
import { bytes as inBytes } from "../command_line/quantities.ts";
import { readBytes } from "../command_line/read_bytes.ts";
import { type Column, table } from "../command_line/table.ts";
import { note, paletteOf, print, printJson } from "../command_line/terminal.ts";
import { checkCanWrite, writeFileWhole } from "../command_line/write_file_whole.ts";
import { type KnownWeights, knownWeights } from "../hub/known_weights.ts";
import { pullFile } from "../hub/pull_file.ts";
import { parseSource } from "../hub/source.ts";

interface PullCommandOptions extends CommonOptions {
  readonly output?: string;
  readonly sha256?: string;
  readonly refresh?: boolean;
  readonly retries?: number;
  readonly maxSize?: number;
  readonly stall?: number;
  readonly list?: boolean;
}

/** `depthwise pull hf:ORG/NAME[/FILE]`, `depthwise pull URL`, `depthwise pull --list`. */
export async function pull({ words, literal, options }: Invocation<PullCommandOptions>): Promise<undefined> {
  const [address, ...others] = [...words, ...literal];
  if (options.list) {
    if (address !== undefined) throw new OptionError(`pull: --list takes no address, received "${address}".`);
    printKnown(options);
    return;
  }
  if (address === undefined) {
    throw new OptionError("pull: an address is missing: hf:ORG/NAME, hf:ORG/NAME/FILE or https://...", {
      hint: "depthwise pull --list shows weights that are known.",
    });
  }
  if (others.length > 0) throw new OptionError(`pull: one address is expected, but "${others[0]}" follows it.`);
  checkSha256(options.sha256);
  const { output } = options;
  if (output !== undefined) await checkCanWrite(output);
  const source = parseSource(address);
  const progress = startProgress("downloading");
  try {
    const pulled = await pullFile(source, {
      sha256: options.sha256,
      refresh: options.refresh,
      retries: options.retries,
      mostBytes: options.maxSize,
      stallMilliseconds: options.stall === undefined ? undefined : options.stall * 1000,
      onProgress: (done, total = done) => progress.update(done, total, `bytes (${inBytes(done)})`),
      onRetry: (reason) => {
        progress.end();
        note(`depthwise: ${reason}; trying again ...`);
      },
    });
    progress.end();
    if (output !== undefined) await writeFileWhole(output, await readBytes(pulled.file));
    const result = { ...pulled, file: output ?? pulled.file, url: source.url.href };
    const known = knownWeights.find((each) => parseSource(each.source).url.href === source.url.href);
    if (options.json) printJson({ ...result, known: known ?? null });
    else printPulled(result, known);
  } finally {
    progress.end();
  }
}

function checkSha256(text: string | undefined): void {
  if (text === undefined || /^[0-9a-f]{64}$/i.test(text)) return;
  throw new OptionError(`pull: --sha256 takes 64 hexadecimal digits, received "${text}".`);
}

interface Result {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly cached: boolean;
  readonly resumedFrom: number;
}

function printPulled({ file, bytes, sha256, cached, resumedFrom }: Result, known: KnownWeights | undefined): void {
  const { dim } = paletteOf(process.stdout);
  const how = cached ? "was there" : resumedFrom > 0 ? `${inBytes(resumedFrom)} were there` : "downloaded";
  print(file);
  print(dim(`  ${inBytes(bytes)}, ${how}; SHA-256 ${sha256}`));
  if (known !== undefined) print(dim(`  for ${known.network}: ${usage(known, file)}`));
}

/** The preprocessing is said where it is not the network's own. */
function usage({ network, preprocessing }: KnownWeights, file: string): string {
  const quoted = /[^\w./:-]/.test(file) ? `'${file.replaceAll("'", "'\\''")}'` : file;
  return `depthwise classify ${network} --weights ${quoted} --preprocessing ${preprocessing} PHOTO`;
}

function printKnown({ json }: PullCommandOptions): void {
  if (json) {
    printJson(knownWeights);
    return;
  }
  const columns: readonly Column<KnownWeights>[] = [
    { title: "for", value: ({ network }) => network },
    { title: "depthwise pull ...", value: ({ source }) => source },
    { title: "names", value: ({ naming }) => naming },
    { title: "licence", value: ({ licence }) => licence },
    { title: "preprocessing", value: ({ preprocessing }) => preprocessing },
  ];
  print(table(columns, knownWeights, paletteOf(process.stdout).dim));
}
