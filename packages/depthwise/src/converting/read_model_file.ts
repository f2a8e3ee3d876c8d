import { dirname, join } from "node:path";
import { FormatError } from "@depthwise/core";
import { type ForeignModel, readModel } from "@depthwise/formats";
import { readBytes } from "../command_line/read_bytes.ts";

/**
 * A model file of any format, with the files beside it that it names.
 *
 * @throws {IoError | FormatError | UnsupportedError} naming the file
 */
export function readModelFile(file: string, bytes: Uint8Array): Promise<ForeignModel> {
  const readBeside = (name: string): Promise<Uint8Array> => {
    // A model names files beside it or below, nothing else on this machine.
    if (/^([/\\]|[a-z]:)|(^|[/\\])\.\.([/\\]|$)/i.test(name)) {
      throw new FormatError(`${file} names "${name}", which is not beside it.`, { file });
    }
    return readBytes(join(dirname(file), name));
  };
  return readModel(bytes, { file, readBeside });
}
