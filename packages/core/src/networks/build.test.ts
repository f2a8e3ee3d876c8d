import { describe, expect, it } from "vitest";
import { OptionError } from "../errors.ts";
import { findNode } from "../graph/graph.ts";
import { countMacs } from "../testing/layer_rows.ts";
import { build, listVariants } from "./build.ts";

/** The error's message and hint in one line. */
function refusal(name: string, options: Readonly<Record<string, unknown>> = {}): string {
  try {
    build(name, options);
  } catch (error) {
    expect(error).toBeInstanceOf(OptionError);
    const { message, hint } = error as OptionError;
    return `${message} ${hint ?? ""}`;
  }
  throw new TypeError(`${name} was not refused`);
}

describe("build", () => {
  it("builds a family with options as the variant of the same options", () => {
    const custom = build("mobilenet_v2", { width: 0.5, resolution: 160 });
    expect(countMacs(custom.graph)).toBe(countMacs(build("mobilenet_v2_0.5_160").graph));
    expect(custom.graph.nodes).toEqual(build("mobilenet_v2_0.5_160").graph.nodes);
  });

  it("lets options override a variant's", () => {
    const network = build("mobilenet_v2_0.5_160", { classes: 10, resolution: [96, 128], inputChannels: 1, batch: 2 });
    expect(network.classes).toBe(10);
    expect(network.options).toMatchObject({ width: 0.5, classes: 10, resolution: [96, 128] });
    expect(findNode(network.graph, "input")?.shape).toEqual([2, 96, 128, 1]);
    expect(network.graph.nodes[network.graph.outputs[0]!.value]!.shape).toEqual([2, 10]);
    expect(network.preprocessing).toMatchObject({ size: [96, 128], channelOrder: "grey" });
  });

  it("suggests the nearest of unknown names", () => {
    expect(refusal("mobilenet_v2_0.5_161")).toContain('Did you mean "mobilenet_v2_0.5_160"?');
    expect(refusal("mobilnetv2")).toContain('Did you mean "mobilenet_v2"?');
    expect(refusal("vgg")).toContain("Families: ");
    expect(refusal("mobilenet_v2", { widht: 1 })).toBe('mobilenet_v2 has no option "widht". Did you mean "width"?');
    expect(refusal("mobilenet_v2", { alpha: 1 })).toContain("It has resolution, ");
    expect(refusal("mobilenet_v2", { toString: 1 })).toContain('no option "toString"');
  });

  it.each([
    [{ width: 0 }, 'option "width" must be a number above 0, received 0.'],
    [{ width: Number.NaN }, "received NaN"],
    [{ width: "1" }, 'received "1"'],
    [{ classes: 2.5 }, 'option "classes" must be a whole number above 0, received 2.5.'],
    [{ resolution: [1, 2, 3] }, "height and width, received [1,2,3]"],
    [{ resolution: -1 }, "received -1"],
    [{ padding: "same" }, "must be one of torch, tf"],
    [{ smallStem: 1 }, "must be true or false, received 1"],
    [{ dropout: 2 }, "of at least 0 and at most 1, received 2"],
    [{ classes: undefined }, "received undefined"],
  ])("refuses %o", (options, message) => {
    expect(refusal("mobilenet_v2", options)).toContain(message);
  });

  it("refuses inputs that are too small, with the arithmetic", () => {
    // 21 and 17 are torchvision's smallest inputs.
    expect(refusal("squeezenet_1.0_224", { resolution: 20 })).toMatch(
      /20x20 is too small, the smallest is 21x21.*3x3 window/,
    );
    expect(refusal("squeezenet_1.1_224", { resolution: 16 })).toContain("the smallest is 17x17");
    expect(refusal("squeezenet_1.1_224", { resolution: [16, 300] })).toContain("the smallest is 17x300");
    expect(refusal("mobilenet_v2", { resolution: 31 })).toContain("2 * 2 * 2 * 2 * 2 = 32");
    expect(refusal("xception", { resolution: 20 })).toContain("= 32");
    expect(build("squeezenet_1.0_224", { resolution: 21 }).classes).toBe(1000);
    expect(build("squeezenet_1.1_224", { resolution: 17 }).classes).toBe(1000);
  });

  it("refuses options that make no network, with the arithmetic", () => {
    expect(refusal("squeezenext", { width: 0.3 })).toContain("32 channels times width 0.3 are 9.6");
    expect(refusal("squeezenext", { groups: 3 })).toMatch(/3 groups do not divide the 8 = 32 \/ 4 channels.*2\.667/);
    expect(refusal("squeezenet", { bypass: "simple", frequency: 1 })).toContain("fire3 goes from 128 to 256 channels");
    expect(refusal("squeezenet", { squeezeRatio: 1e-6 })).toContain("make no network");
  });

  it("lists one family's variants, or all", () => {
    expect(listVariants("mobilenet_v2").filter(({ name }) => !name.endsWith("_cifar"))).toHaveLength(22);
    expect(listVariants().length).toBeGreaterThan(listVariants("mobilenet_v2").length);
    expect(listVariants("squeezenet").find(({ name }) => name.endsWith("complex_bypass"))?.reconstructed).toBeDefined();
  });
});
