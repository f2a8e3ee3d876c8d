import { OptionError } from "@depthwise/core";
import type { CommonOptions, Invocation } from "../command_line/invocation.ts";
import { bytes } from "../command_line/quantities.ts";
import { note, print, printJson } from "../command_line/terminal.ts";
import { checkCanWrite } from "../command_line/write_file_whole.ts";
import { type Conversion, convertModel } from "../converting/convert_model.ts";
import { formatToWrite } from "../converting/write_model.ts";

interface ConvertCommandOptions extends CommonOptions {
  readonly family?: string;
  readonly naming?: string;
  readonly weightsType?: "f32" | "f16";
  readonly dropBackground?: boolean;
}

/** `depthwise convert IN OUT`. */
export async function convert({ words, literal, options }: Invocation<ConvertCommandOptions>): Promise<undefined> {
  const [input, output, ...rest] = [...words, ...literal];
  if (input === undefined || output === undefined) {
    throw new OptionError(`convert: ${input === undefined ? "IN and OUT are" : "OUT is"} missing.`, {
      hint: "depthwise convert model.onnx model.safetensors",
    });
  }
  if (rest.length > 0) throw new OptionError(`convert: IN and OUT are expected, but "${rest[0]}" follows them.`);
  formatToWrite(output);
  await checkCanWrite(output);
  const conversion = await convertModel(input, output, options);
  const { alike, network } = conversion;
  if (alike.length > 1) {
    note(`depthwise: ${input} fits ${alike.join(", ")} alike; taken as ${network}. --family chooses.`);
  }
  if (options.json) {
    const { read, written, family, unmatched } = conversion;
    printJson({ read, written, family, network, unmatched });
  } else printForPeople(output, conversion);
}

/** Names told of what was left out. */
const namesShown = 5;

function printForPeople(output: string, { read, written, family, network, unmatched }: Conversion): void {
  print(
    [
      `read     ${read.format}, ${read.tensors} tensors: ${whatItIs(network, family)}`,
      `written  ${written.format}, ${written.tensors} tensors, ${bytes(written.bytes)}: ${output}`,
    ].join("\n"),
  );
  if (unmatched.length === 0) return;
  const more = unmatched.length > namesShown ? ", ..." : "";
  note(
    `depthwise: ${unmatched.length} things of the file have no place: ${unmatched.slice(0, namesShown).join(", ")}${more}`,
  );
}

function whatItIs(network: string | null, family: string | null): string {
  if (network === null) return "of no network that is known here, taken as they are";
  return family === null ? `${network}, a graph of no family here` : network;
}
