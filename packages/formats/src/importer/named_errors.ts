import { DepthwiseError, FormatError, GraphError, ShapeError, UnsupportedError } from "@depthwise/core";

/**
 * Runs a part of a reader and says, in what it throws, what it was about. Shapes and graphs that do not fit are the file's fault.
 *
 * @param what put before the message
 * @param file the file's name
 */
export function namedErrors<T>(what: string | undefined, file: string | undefined, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DepthwiseError)) throw error;
    const message = what === undefined ? error.message : `${what}: ${error.message}`;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    const name = error.file ?? file;
    const details = { ...hint, cause: error.cause ?? error, ...(name === undefined ? {} : { file: name }) };
    if (error instanceof UnsupportedError) throw new UnsupportedError(message, details);
    if (error instanceof FormatError || error instanceof ShapeError || error instanceof GraphError) {
      throw new FormatError(message, details);
    }
    throw error;
  }
}
