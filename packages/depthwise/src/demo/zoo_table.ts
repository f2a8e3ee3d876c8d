import { trainedNetworks } from "@depthwise/zoo";
import { startProgress } from "../command_line/progress.ts";
import { count, milliseconds, percent } from "../command_line/quantities.ts";
import { type Column, type Paint, table } from "../command_line/table.ts";
import { measureModels } from "../measuring/measure_models.ts";
import { openTrained, trainingRecord } from "../zoo/open_trained.ts";

/** Timed runs of each. */
const timedRuns = 30;

interface Row {
  readonly name: string;
  readonly top1: number;
  readonly parameters: number;
  readonly macs: number;
  readonly median: number;
}

/** The trained networks of the zoo, the most accurate first: what each reaches, costs, and takes on this machine. */
export async function zooText(dim: Paint): Promise<string> {
  const models = await Promise.all(trainedNetworks.map(openTrained));
  const records = await Promise.all(trainedNetworks.map(trainingRecord));
  const progress = startProgress("measuring the zoo");
  const measured = await measureModels(models, {
    runs: timedRuns,
    onProgress: (done, total, what) => progress.update(done, total, what),
  });
  progress.end();
  const rows: readonly Row[] = records.map(({ network, test, parameters, macs }, i) => ({
    ...{ name: network, top1: test.top1, parameters, macs },
    median: measured[i]?.milliseconds.median ?? Number.NaN,
  }));
  const columns: readonly Column<Row>[] = [
    { title: "network", value: ({ name }) => name },
    { title: "CIFAR-10 top-1", align: "right", value: ({ top1 }) => percent(top1) },
    { title: "parameters", align: "right", value: ({ parameters }) => count(parameters) },
    { title: "MACs", align: "right", value: ({ macs }) => count(macs) },
    { title: "median here", align: "right", value: ({ median }) => milliseconds(median) },
  ];
  return table(
    columns,
    rows.toSorted((a, b) => b.top1 - a.top1),
    dim,
  );
}
