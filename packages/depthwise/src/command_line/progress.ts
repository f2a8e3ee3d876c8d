/** Work that takes less than this, in milliseconds, is not worth a word. */
const patience = 1000;
/** Between two drawings on a terminal, in milliseconds. */
const redrawInterval = 100;
/** Between two lines elsewhere: for logs of work that takes an hour. */
const lineInterval = 60_000;

/** Shows how far work is, on stderr, once it has taken a second: on a terminal a line that is redrawn, elsewhere a plain line, and one a minute. */
export interface Progress {
  /**
   * @param done parts of `total`
   * @param detail what is being done, to be read after the count
   */
  update(done: number, total: number, detail?: string): void;
  /** Takes the line away. */
  end(): void;
}

/** @param what is being done: `classifying`, to be read before `12 of 500` */
export function startProgress(what: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  const start = performance.now();
  let drawnAt: number | undefined;
  return {
    update(done, total, detail = "") {
      const now = performance.now();
      if (now - start < patience) return;
      if (stream.isTTY) {
        if (drawnAt !== undefined && now - drawnAt < redrawInterval && done < total) return;
        stream.write(`\r\x1b[K${what} ${bar(done, total)} ${done} of ${total}${detail === "" ? "" : `  ${detail}`}`);
      } else if (drawnAt === undefined) stream.write(`${what}: ${done} of ${total} after a second ...\n`);
      else if (now - drawnAt < lineInterval) return;
      else stream.write(`${what}: ${done} of ${total} after ${Math.round((now - start) / 60_000)} min ...\n`);
      drawnAt = now;
    },
    end() {
      if (drawnAt !== undefined && stream.isTTY) stream.write("\r\x1b[K");
    },
  };
}

const barWidth = 24;

function bar(done: number, total: number): string {
  const filled = total === 0 ? barWidth : Math.round((barWidth * done) / total);
  return `[${"#".repeat(filled)}${".".repeat(barWidth - filled)}]`;
}
