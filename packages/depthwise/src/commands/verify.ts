import { OptionError } from "@depthwise/core";
import type { CommonOptions, Invocation } from "../command_line/invocation.ts";
import { paletteOf, print, printJson } from "../command_line/terminal.ts";
import { type Check, verifyModel } from "../standalone/verify_model.ts";

/** `depthwise verify FILE|FOLDER`. Ends with 1 if anything is not what the certificate says. */
export async function verify(invocation: Invocation<CommonOptions>): Promise<number> {
  const [path, ...rest] = [...invocation.words, ...invocation.literal];
  if (path === undefined) throw new OptionError("verify: a FILE or FOLDER is missing.");
  if (rest.length > 0) throw new OptionError(`verify: one FILE or FOLDER is expected, but "${rest[0]}" follows it.`);
  const { certificate, checks } = await verifyModel(path);
  const isVerified = checks.every(({ isRight }) => isRight);
  if (invocation.options.json) {
    const { model, compiler } = certificate;
    printJson({
      verified: isVerified,
      model,
      compiler,
      checks: checks.map(({ what, isRight, found }) => ({ what, right: isRight, found })),
    });
  } else {
    const { bold } = paletteOf(process.stdout);
    const verdict = isVerified ? "is what its certificate says" : "is NOT what its certificate says";
    print(
      [
        ...checks.map(checkLine),
        "",
        bold(`${certificate.model}, compiled by ${certificate.compiler}, ${verdict}`),
      ].join("\n"),
    );
  }
  return isVerified ? 0 : 1;
}

function checkLine({ what, isRight, found }: Check): string {
  return `${isRight ? "ok    " : "WRONG "} ${what}: ${found}`;
}
