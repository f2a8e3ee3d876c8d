import { Command } from "commander";
import type { Invocation } from "./invocation.ts";
import { type Verb, verbs } from "./verbs.ts";
import { readVersion } from "./version.ts";

/** Columns of the help, the same on every terminal. */
const helpWidth = 110;

/** What came of a command line: an exit code. */
export interface Outcome {
  exitCode: number;
}

/**
 * The command line as commander has it.
 *
 * @param literal words after `--`
 * @param networkHelp what a verb's help says of the network that was named
 * @param outcome receives the exit code of the verb that ran
 */
export function createProgram(literal: readonly string[], networkHelp: string, outcome: Outcome): Command {
  const program = new Command("depthwise");
  program
    .description("Prices, measures and compiles mobile convolutional networks.")
    .usage("VERB ... [--json] [--help]")
    .version(readVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .enablePositionalOptions()
    .configureHelp({ helpWidth, subcommandTerm: (command) => command.name() })
    .exitOverride()
    // Failures are told in one place, in cli.ts.
    .configureOutput({ outputError: () => {} })
    .addHelpText("after", programHelp);
  for (const verb of verbs) addVerb(program, verb, literal, networkHelp, outcome);
  return program;
}

function addVerb(
  program: Command,
  verb: Verb,
  literal: readonly string[],
  networkHelp: string,
  outcome: Outcome,
): void {
  const command = program
    .command(verb.name)
    .summary(verb.summary)
    .description(verb.summary)
    .usage(verb.usage)
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", verbHelp(verb, networkHelp));
  for (const option of verb.options) command.addOption(option);
  // Only the network knows which options it has: the words are read once its name is known.
  if (verb.takesModel) command.argument("[words...]").allowUnknownOption();
  else {
    if (verb.argument) command.argument(verb.argument);
    command.allowExcessArguments(false);
  }
  command.action(async () => {
    const invocation: Invocation<unknown> = {
      verb: verb.name,
      words: command.args,
      literal,
      options: command.opts(),
      optionNames: [...verb.options.flatMap(({ long }) => long ?? []), "--help"],
    };
    const work = await verb.load();
    outcome.exitCode = (await work(invocation as Invocation<never>)) ?? 0;
  });
}

const programHelp = `
MODEL is the name of a variant (mobilenet_v2_0.5_160), or of a family with options
(mobilenet_v2 --width 0.5 --resolution 160 --classes 10), or a model file (.safetensors, .pth,
.onnx, .tflite, model.json, .caffemodel). A name without --weights gets the zoo's trained weights if
it has them and no --seed is given, else weights drawn from --seed.

Examples:
  # the networks, with their cost
  depthwise list
  # what one of them costs, layer by layer
  depthwise describe mobilenet_v2_1.0_224
  # and how fast it is on this machine
  depthwise bench mobilenet_v2_1.0_224

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
DEBUG=depthwise prints stack traces; NO_COLOR turns colours off.`;

function verbHelp({ examples, failsWhen, takesModel }: Verb, networkHelp: string): string {
  const lines = examples.flatMap(([purpose, command]) => [`  # ${purpose}`, `  ${command}`]);
  const model = takesModel
    ? "\nMODEL is a variant, a family with options (mobilenet_v2 --width 0.5), or a model file; depthwise --help says more.\n"
    : "";
  return `${networkHelp === "" ? model : `\n${networkHelp}\n`}
Examples:
${lines.join("\n")}

Exit codes: 0 done, 1 ${failsWhen}, 2 wrong usage, 130 interrupted.`;
}
