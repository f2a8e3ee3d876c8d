import {
  describe,
  describeConnections,
  describePlan,
  describeReplaced,
  drawBlock,
  drawNetwork,
  drawWiring,
  type Network,
  OptionError,
  type Replacement,
} from "@depthwise/core";
import type { CommonOptions, Invocation } from "../command_line/invocation.ts";
import { type ModelArgument, modelWords, parseModels } from "../command_line/model_argument.ts";
import { note, print, printJson } from "../command_line/terminal.ts";
import { checkCanWrite, writeFileWhole } from "../command_line/write_file_whole.ts";
import { comparisonText } from "../describing/comparison_text.ts";
import { connectionsText } from "../describing/connections_text.ts";
import { descriptionText } from "../describing/description_text.ts";
import { planText } from "../describing/plan_text.ts";
import { whatIfText } from "../describing/what_if_text.ts";
import { openNetwork } from "../open_model.ts";

interface DescribeCommandOptions extends CommonOptions {
  readonly connections?: boolean;
  readonly plan?: boolean;
  readonly replace?: readonly string[];
  readonly svg?: string;
  readonly block?: string;
  readonly channel?: number;
}

/** `depthwise describe MODEL...`. */
export async function describeCommand(invocation: Invocation<DescribeCommandOptions>): Promise<undefined> {
  const { options } = invocation;
  const models = parseModels(invocation);
  checkTogether(models, options);
  if (options.svg !== undefined && options.svg !== "-") await checkCanWrite(options.svg);
  const networks: Network[] = [];
  for (const model of models) networks.push(await openNetwork(model));
  const [network, ...others] = networks as [Network, ...Network[]];
  if (others.length > 0) compareNetworks(networks, models, options);
  else await describeOne(network, options);
}

/** Options that say nothing, or too much, together. */
function checkTogether(models: readonly ModelArgument[], options: DescribeCommandOptions): void {
  const { connections, plan, replace, svg, block, channel, json } = options;
  const given = Object.entries({ connections, plan, replace, svg, block, channel }).filter(
    ([, value]) => value !== undefined,
  );
  if (models.length > 1 && given[0] !== undefined) {
    throw new OptionError(`describe: --${given[0][0]} is for one MODEL, but several are given.`);
  }
  if (block !== undefined && svg === undefined) {
    throw new OptionError("describe: --block says what to draw, but there is no --svg FILE to draw it in.");
  }
  if (channel !== undefined && block === undefined) {
    throw new OptionError("describe: --channel says whose paths to draw, but there is no --block NAME to draw.");
  }
  if (svg === "-" && json) throw new OptionError("describe: --json and --svg - both want stdout.");
  const [first, second] = given.flatMap(([name]) => (["connections", "plan", "replace"].includes(name) ? name : []));
  if (second !== undefined) throw new OptionError(`describe: either --${first} or --${second}.`);
}

function compareNetworks(
  networks: readonly Network[],
  models: readonly ModelArgument[],
  { json }: DescribeCommandOptions,
): void {
  const descriptions = networks.map((network) => describe(network));
  if (json) printJson(descriptions.map((each) => ({ ...each, family: each.family ?? null })));
  else print(comparisonText(descriptions, models.map(modelWords)));
}

async function describeOne(network: Network, options: DescribeCommandOptions): Promise<void> {
  const { json, connections, replace, svg } = options;
  const plan = options.plan ? describePlan(network) : undefined;
  if (svg !== undefined) await writePicture(svg, pictureOf(network, options));
  const description = describe(network);
  const found = connections ? describeConnections(network.graph) : undefined;
  // Names that are no replacement are refused there.
  const whatIf = replace === undefined ? undefined : describeReplaced(network, replace as readonly Replacement[]);
  if (json) {
    printJson({
      ...description,
      // A network that a file brought has no family: null, not left out.
      family: description.family ?? null,
      ...(found === undefined ? {} : { connections: found }),
      ...(plan === undefined ? {} : { plan }),
      ...(whatIf === undefined ? {} : { after: whatIf.after, replaced: whatIf.replaced }),
    });
  } else if (found !== undefined) print(connectionsText(description, found));
  else if (plan !== undefined) print(planText(plan));
  else if (whatIf !== undefined) print(whatIfText(whatIf));
  else if (svg === undefined) print(descriptionText(description));
}

function pictureOf(network: Network, { block, channel }: DescribeCommandOptions): string {
  if (block === undefined) return drawNetwork(network);
  return channel === undefined ? drawBlock(network, block) : drawWiring(network, block, { channel });
}

async function writePicture(path: string, picture: string): Promise<void> {
  if (path === "-") {
    process.stdout.write(picture);
    return;
  }
  await writeFileWhole(path, new TextEncoder().encode(picture));
  note(`drawn: ${path}`);
}
