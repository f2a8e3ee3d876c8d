/**
 * Measures every network of the zoo on CIFAR-10's test pictures again, beside what its record says. Ends with 1 if one differs by more than
 * another engine's rounding explains.
 */
import { type TrainedNetwork, trainedNetworks } from "@depthwise/zoo";
import { count, percent } from "../packages/depthwise/src/command_line/quantities.ts";
import { table } from "../packages/depthwise/src/command_line/table.ts";
import { openCifar10 } from "../packages/depthwise/src/data/cifar10.ts";
import { openTrained, trainingRecord } from "../packages/depthwise/src/zoo/open_trained.ts";
import { judgeOnTest } from "./judge_on_test.ts";

/** Pictures of 10,000 whose two likeliest classes may be so close that rounding decides. */
const mostFlipped = 10;

async function check(name: TrainedNetwork) {
  const [model, { test, parameters, macs, imagesSeen }] = [await openTrained(name), await trainingRecord(name)];
  const measured = await judgeOnTest(model, cifar10);
  const differs = Math.abs(measured.top1 - test.top1) * test.images > mostFlipped;
  return { name, parameters, macs, imagesSeen, recorded: test.top1, measured: measured.top1, differs };
}

const cifar10 = await openCifar10(console.error);
const checked: Awaited<ReturnType<typeof check>>[] = [];
for (const name of trainedNetworks) checked.push(await check(name));

console.log(
  table(
    [
      { title: "network", value: ({ name }) => name },
      { title: "parameters", align: "right", value: ({ parameters }) => count(parameters) },
      { title: "MACs", align: "right", value: ({ macs }) => count(macs) },
      { title: "images seen", align: "right", value: ({ imagesSeen }) => count(imagesSeen) },
      { title: "top-1 recorded", align: "right", value: ({ recorded }) => percent(recorded) },
      { title: "top-1 here", align: "right", value: ({ measured }) => percent(measured) },
      { title: "", value: ({ differs }) => (differs ? "DIFFERS" : "") },
    ],
    checked,
  ),
);
if (checked.some(({ differs }) => differs)) process.exitCode = 1;
