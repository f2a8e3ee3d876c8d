import { sources } from "../graph/interpret_picture.ts";
import { eachWindow } from "../graph/interpret_pool.ts";
import type { Operand } from "../graph/operand.ts";
import type { GradientInterpreter } from "./interpret_gradient.ts";

type Picture = readonly [n: number, h: number, w: number, c: number];

/** x `[N, H, W, C]`, gradient `[N, OH, OW, out]`, output `[kh, kw, C/groups, out]`: Σ x·gradient over the places that meet at a tap. */
export const interpretKernelGradient: GradientInterpreter<"kernel_gradient"> = (operation, inputs, output) => {
  const { stride, padding, dilation, groups } = operation;
  const [x, gradient] = inputs as [Operand, Operand];
  const [batch, height, width, inChannels] = x.shape as Picture;
  const [, outHeight, outWidth, outChannels] = gradient.shape as Picture;
  const [kernelHeight, kernelWidth, inPerGroup] = output.shape as Picture;
  const outPerGroup = outChannels / groups;
  let index = 0;
  for (let kh = 0; kh < kernelHeight; kh++) {
    for (let kw = 0; kw < kernelWidth; kw++) {
      for (let ic = 0; ic < inPerGroup; ic++) {
        for (let oc = 0; oc < outChannels; oc++) {
          const channel = Math.floor(oc / outPerGroup) * inPerGroup + ic;
          let sum = 0;
          for (let n = 0; n < batch; n++) {
            for (let oh = 0; oh < outHeight; oh++) {
              const ih = oh * stride[0] + kh * dilation[0] - padding.top;
              if (ih < 0 || ih >= height) continue;
              for (let ow = 0; ow < outWidth; ow++) {
                const iw = ow * stride[1] + kw * dilation[1] - padding.left;
                if (iw < 0 || iw >= width) continue;
                const pixel = ((n * height + ih) * width + iw) * inChannels + channel;
                sum += x.data[pixel]! * gradient.data[((n * outHeight + oh) * outWidth + ow) * outChannels + oc]!;
              }
            }
          }
          output.data[index] = sum;
          index++;
        }
      }
    }
  }
};

/** The first of a window's largest cells, row by row, gets its gradient. */
export const interpretMaxPoolGradient: GradientInterpreter<"max_pool_gradient"> = (operation, inputs, output) => {
  const [gradient, x] = inputs as [Operand, Operand];
  const sums = new Float64Array(output.data.length);
  eachWindow(operation, gradient, output, (index, rows, columns, cell) => {
    let largest = cell(rows.start, columns.start);
    for (let ih = rows.start; ih < rows.end; ih++) {
      for (let iw = columns.start; iw < columns.end; iw++) {
        if (x.data[cell(ih, iw)]! > x.data[largest]!) largest = cell(ih, iw);
      }
    }
    sums[largest]! += gradient.data[index]!;
  });
  output.data.set(sums);
};

/** Every cell of a window gets the same share of its gradient. */
export const interpretAveragePoolGradient: GradientInterpreter<"average_pool_gradient"> = (
  operation,
  inputs,
  output,
) => {
  const [gradient] = inputs as [Operand];
  const sums = new Float64Array(output.data.length);
  eachWindow(operation, gradient, output, (index, rows, columns, cell) => {
    const inside = (rows.end - rows.start) * (columns.end - columns.start);
    const share = gradient.data[index]! / (operation.countIncludePad ? rows.padded * columns.padded : inside);
    for (let ih = rows.start; ih < rows.end; ih++) {
      for (let iw = columns.start; iw < columns.end; iw++) sums[cell(ih, iw)]! += share;
    }
  });
  output.data.set(sums);
};

/** Every cell that an output pixel was mixed from gets its share of the pixel's gradient. */
export const interpretResizeGradient: GradientInterpreter<"resize_gradient"> = ({ mode }, inputs, output) => {
  const [gradient] = inputs as [Operand];
  const [batch, height, width, channels] = output.shape as Picture;
  const rows = sources(height, gradient.shape[1] as number, mode);
  const columns = sources(width, gradient.shape[2] as number, mode);
  const sums = new Float64Array(output.data.length);
  let index = 0;
  for (let n = 0; n < batch; n++) {
    for (const row of rows) {
      for (const column of columns) {
        for (let c = 0; c < channels; c++) {
          const give = (ih: number, iw: number, share: number): void => {
            sums[((n * height + ih) * width + iw) * channels + c]! += share * gradient.data[index]!;
          };
          give(row.first, column.first, (1 - row.share) * (1 - column.share));
          give(row.first, column.second, (1 - row.share) * column.share);
          give(row.second, column.first, row.share * (1 - column.share));
          give(row.second, column.second, row.share * column.share);
          index++;
        }
      }
    }
  }
  output.data.set(sums);
};

/** Input `[N, h, w, C]`, output `[N, height, width, C]`: pixels `stride` apart, zeros elsewhere. */
export const interpretDilate: GradientInterpreter<"dilate"> = ({ stride }, inputs, output) => {
  place(
    inputs[0] as Operand,
    output,
    (ih) => ih * stride[0],
    (iw) => iw * stride[1],
  );
};

/** x `[N, H, W, C]`, output the pixels inside its border. */
export const interpretCrop: GradientInterpreter<"crop"> = ({ padding }, inputs, output) => {
  place(
    inputs[0] as Operand,
    output,
    (ih) => ih - padding.top,
    (iw) => iw - padding.left,
  );
};

/** Copies each pixel to the row and column that are said, unless they are outside the output. */
function place(x: Operand, output: Operand, row: (ih: number) => number, column: (iw: number) => number): void {
  const [batch, height, width, channels] = x.shape as Picture;
  const [, outHeight, outWidth] = output.shape as Picture;
  for (let n = 0; n < batch; n++) {
    for (let ih = 0; ih < height; ih++) {
      for (let iw = 0; iw < width; iw++) {
        const [oh, ow] = [row(ih), column(iw)];
        if (oh < 0 || oh >= outHeight || ow < 0 || ow >= outWidth) continue;
        const from = ((n * height + ih) * width + iw) * channels;
        const to = ((n * outHeight + oh) * outWidth + ow) * channels;
        for (let c = 0; c < channels; c++) output.data[to + c] = x.data[from + c]!;
      }
    }
  }
}
