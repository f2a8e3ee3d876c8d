import {
  build,
  type Network,
  OptionError,
  type Teacher,
  type Weights,
  WeightsError,
  withInputSize,
} from "@depthwise/core";
import { isTrained } from "@depthwise/zoo";
import type { Invocation } from "../command_line/invocation.ts";
import { parseModel } from "../command_line/model_argument.ts";
import { note } from "../command_line/terminal.ts";
import type { DataSet } from "../data/data_set.ts";
import { openData } from "../data/open_data.ts";
import { type OpenedModel, openModel } from "../open_model.ts";
import type { TrainCommandOptions } from "./train_options.ts";

/** What a run begins with. */
export interface OpenedTraining {
  readonly data: DataSet;
  /** As many classes as the data has, by their names. */
  readonly network: Network;
  /** What `--from` named. */
  readonly from: { readonly network: Network; readonly weights: Weights } | undefined;
  /** What `--teacher` named. */
  readonly teachers: readonly Teacher[];
}

/**
 * Opens DATA, and the network to train on it: MODEL, or the one of `--from`.
 *
 * @param words MODEL's options
 * @throws {OptionError} if there is neither, or nothing to tell apart
 * @throws {WeightsError} if `--from` is a network of no family
 */
export async function openTraining(
  spec: string,
  words: readonly string[],
  invocation: Invocation<TrainCommandOptions>,
): Promise<OpenedTraining> {
  const { options } = invocation;
  if (options.model === undefined && options.from === undefined) {
    throw new OptionError("train: --model M is missing: a variant, or a family with options.", {
      hint: "depthwise list shows the names; --from FILE goes on from a trained network.",
    });
  }
  const model =
    options.model === undefined
      ? undefined
      : parseModel({ ...invocation, words: [options.model, ...words], literal: [] }).model;
  if (model === undefined && words.length > 0) throw new OptionError(`train: unexpected "${words[0]}".`);
  if (model?.isFile) {
    throw new OptionError(`train: --model ${model.subject} is a file.`, {
      hint: "--from FILE goes on from the weights of a file.",
    });
  }
  const from = options.from === undefined ? undefined : await openTrainedModel(options.from);
  const teachers = await Promise.all((options.teacher ?? []).map(openTrainedModel));
  const known = from ?? teachers[0];
  const data = await openLabelled(spec, options, known?.network.labels);
  if (data.labels.length < 2) {
    throw new OptionError(`train: ${spec} has one class only, ${data.labels[0]}; there is nothing to tell apart.`);
  }
  const subject = model?.subject ?? from?.network.family;
  if (subject === undefined) {
    throw new WeightsError(`${options.from}: the file holds a network of no known family.`, {
      hint: "Name the network with --model.",
    });
  }
  const built = build(subject, { ...(model?.options ?? from?.network.options), classes: data.labels.length });
  return { data, network: described(built, data, known), from, teachers };
}

/** `--from` and `--teacher`: a name of the zoo, or a file. */
function openTrainedModel(name: string): Promise<OpenedModel> {
  return openModel({ subject: name, isFile: !isTrained(name), options: {} }, {});
}

/** The network as its file will describe it: with the data's labels, and its pictures prepared as those that its weights or its teachers have seen. */
function described(network: Network, data: DataSet, known: OpenedModel | undefined): Network {
  const preprocessing = known
    ? withInputSize(known.network.preprocessing, network.preprocessing.size)
    : network.preprocessing;
  return { ...network, labels: data.labels, preprocessing };
}

/** DATA, its classes in the order of the network that training goes on from if it has the same ones. */
async function openLabelled(
  spec: string,
  { seed = 0, validationShare }: TrainCommandOptions,
  known: readonly string[] | undefined,
): Promise<DataSet> {
  const options = { seed, onProgress: note, ...(validationShare === undefined ? {} : { validationShare }) };
  const data = await openData(spec, options);
  const isSame =
    known?.length === data.labels.length && data.labels.every((label) => known.includes(label)) && new Set(known).size;
  return isSame ? openData(spec, { ...options, labels: known }) : data;
}
