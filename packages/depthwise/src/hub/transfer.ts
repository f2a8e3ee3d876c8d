import { IoError } from "@depthwise/core";

/** What may be set about a request. */
export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without a byte after which the connection is given up. */
  readonly stallMilliseconds: number;
  /** Whether plain http is taken from any machine: the caller checks what comes. */
  readonly isChecked: boolean;
}

/** A response, its redirects followed. */
export interface Transfer {
  readonly status: number;
  readonly headers: Headers;
  /** The SHA-256 that the hub states for the file, on a redirect on the way. */
  readonly linkedSha256: string | undefined;
  /** The content's chunks. To be read to the end, or left by `break`. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Gives the connection up. */
  close(): void;
}

/** A failure that another attempt may not have. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  /** Seconds that the server asks to wait. */
  readonly retryAfter: number | undefined;

  constructor(message: string, retryAfter?: number, cause?: unknown) {
    super(message, { cause });
    this.retryAfter = retryAfter;
  }
}

const mostRedirects = 8;

/**
 * Asks for an address and follows redirects, one by one: so that none leads in a circle or from https to http, and the hub's statement of the
 * checksum is seen.
 *
 * @throws {IoError} for an answer that stays as it is
 * @throws {TransientError} for one that may change
 */
export async function openTransfer(
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: TransferOptions,
): Promise<Transfer> {
  const seen: string[] = [];
  let linkedSha256: string | undefined;
  for (let current = url; ; ) {
    checkScheme(current, url, options);
    seen.push(current.href);
    const transfer = await request(current, headers, options);
    linkedSha256 ??= sha256Of(transfer.headers);
    const { status } = transfer;
    if (![301, 302, 303, 307, 308].includes(status)) return { ...transfer, linkedSha256 };
    transfer.close();
    const location = transfer.headers.get("location") ?? "";
    if (!URL.canParse(location, current)) {
      throw new IoError(`${current.href} redirects to "${location}", which is no address.`);
    }
    current = new URL(location, current);
    if (seen.includes(current.href)) throw new IoError(`${url.href} redirects in a circle, back to ${current.href}.`);
    if (seen.length > mostRedirects) throw new IoError(`${url.href} redirects more than ${mostRedirects} times.`);
  }
}

function checkScheme(current: URL, first: URL, { isChecked }: TransferOptions): void {
  if (current.protocol !== "https:" && current.protocol !== "http:") {
    throw new IoError(`${first.href} redirects to ${current.href}: only https and http are followed.`);
  }
  if (current.protocol === "https:") return;
  if (first.protocol === "https:") throw new IoError(`${first.href} redirects to ${current.href}, from https to http.`);
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(current.hostname);
  if (!isLocal && !isChecked) {
    throw new IoError(`${current.href}: over http anybody on the way can change the file.`, {
      hint: "Use https, or say what the file must be: --sha256.",
    });
  }
}

/** Hugging Face states the SHA-256 of large files on the redirect to where they lie. */
function sha256Of(headers: Headers): string | undefined {
  return headers
    .get("x-linked-etag")
    ?.match(/^"?([0-9a-f]{64})"?$/i)?.[1]
    ?.toLowerCase();
}

async function request(
  url: URL,
  headers: Readonly<Record<string, string>>,
  { signal, stallMilliseconds }: TransferOptions,
): Promise<Omit<Transfer, "linkedSha256">> {
  const stalled = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), stallMilliseconds);
  };
  const close = (): void => {
    clearTimeout(timer);
    stalled.abort();
  };
  const failure = (cause: unknown): unknown => {
    clearTimeout(timer);
    if (signal?.aborted) return signal.reason;
    const seconds = stallMilliseconds / 1000;
    return stalled.signal.aborted
      ? new TransientError(`${url.host} sent nothing for ${seconds} s`, undefined, cause)
      : new TransientError(`the connection to ${url.host} broke: ${reasonOf(cause)}`, undefined, cause);
  };
  watch();
  try {
    const response = await fetch(url, {
      headers: { "accept-encoding": "identity", "user-agent": "depthwise", ...headers },
      redirect: "manual",
      signal: signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]),
    });
    const chunks = async function* (): AsyncGenerator<Uint8Array, void, void> {
      try {
        watch();
        for await (const chunk of response.body ?? []) {
          watch();
          yield chunk as Uint8Array;
        }
        clearTimeout(timer);
      } catch (cause) {
        throw failure(cause);
      } finally {
        close();
      }
    };
    return { status: response.status, headers: response.headers, chunks: chunks(), close };
  } catch (cause) {
    throw failure(cause);
  }
}

/** What `fetch` says is in its cause: "fetch failed" alone helps nobody. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return inner instanceof Error ? inner.message || inner.name : String(inner);
}
