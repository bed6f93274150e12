/** Windows of signal processing: Bartlett, Blackman, Hamming, Hann, Kaiser. Computed in float64, then rounded. */

import { type CreateOptions, withGrad } from "./create.js";
import { codeOf, defaultFloatCode, FLOAT64, isFloat, nameOf } from "./dtype.js";
import { DTypeError, ValueError } from "./errors.js";
import { nextOp } from "./heap.js";
import { kernelFor, kernelTable } from "./launch.js";
import { checkNames, type OptionNames } from "./options.js";
import { castTo, empty, fromTyped, ptr, toTyped } from "./raw.js";
import type { Tensor } from "./tensor.js";

const I0 = kernelTable("i0");

/** Options of windows. */
export interface WindowOptions extends CreateOptions {
  /** Whether the window is for periodic use, one step short of symmetric (default true). */
  periodic?: boolean;
}

const WINDOW_OPTIONS: OptionNames<WindowOptions> = { periodic: 1, dtype: 1, requiresGrad: 1 };

/** Whether the window is periodic, or options that may say so. */
export type PeriodicOr<O> = boolean | O;

/** value(k, n) for the n points 0, ..., n-1 of a symmetric window, of which a periodic one lacks the last. */
function build(
  op: string,
  windowLength: number,
  given: PeriodicOr<WindowOptions> | undefined,
  values: (n: number) => Float64Array,
): Tensor {
  const options = typeof given === "boolean" ? { periodic: given } : (given ?? {});
  const code = options.dtype === undefined ? defaultFloatCode() : codeOf(options.dtype);
  if (!isFloat(code)) throw new DTypeError(`[${op}] expected a floating dtype, got ${nameOf(code)}`);
  if (!Number.isInteger(windowLength) || windowLength < 0) {
    throw new ValueError(`[${op}] expected a whole number >= 0 as the length, got ${windowLength}`);
  }
  nextOp();
  const points = windowLength + ((options.periodic ?? true) && windowLength > 1 ? 1 : 0);
  const window =
    windowLength < 2 ? new Float64Array(windowLength).fill(1) : values(points).subarray(0, windowLength);
  return withGrad(castTo(fromTyped(window, [windowLength], FLOAT64), code), options);
}

function each(n: number, value: (k: number) => number): Float64Array {
  return Float64Array.from({ length: n }, (_, k) => value(k));
}

/** w[k] = 1 - |2k / (n - 1) - 1|. Source: `torch.bartlett_window`. */
export function bartlettWindow(windowLength: number, options?: PeriodicOr<WindowOptions>): Tensor {
  checkNames("bartlettWindow", options, WINDOW_OPTIONS);
  return build("bartlettWindow", windowLength, options, (n) =>
    each(n, (k) => 1 - Math.abs((2 * k) / (n - 1) - 1)),
  );
}

/** w[k] = 0.42 - 0.5 cos(2 pi k / (n - 1)) + 0.08 cos(4 pi k / (n - 1)). Source: `torch.blackman_window`. */
export function blackmanWindow(windowLength: number, options?: PeriodicOr<WindowOptions>): Tensor {
  checkNames("blackmanWindow", options, WINDOW_OPTIONS);
  return build("blackmanWindow", windowLength, options, (n) => {
    const turn = (2 * Math.PI) / (n - 1);
    return each(n, (k) => 0.42 - 0.5 * Math.cos(turn * k) + 0.08 * Math.cos(2 * turn * k));
  });
}

/** Options of {@link hammingWindow}. */
export interface HammingOptions extends WindowOptions {
  /** Default 0.54. */
  alpha?: number;
  /** Default 0.46. */
  beta?: number;
}

const HAMMING_OPTIONS: OptionNames<HammingOptions> = {
  alpha: 1,
  beta: 1,
  periodic: 1,
  dtype: 1,
  requiresGrad: 1,
};

/** w[k] = alpha - beta cos(2 pi k / (n - 1)). Source: `torch.hamming_window`. */
export function hammingWindow(windowLength: number, options?: PeriodicOr<HammingOptions>): Tensor {
  checkNames("hammingWindow", options, HAMMING_OPTIONS);
  const { alpha = 0.54, beta = 0.46 } = typeof options === "object" ? options : {};
  return build("hammingWindow", windowLength, options, (n) =>
    each(n, (k) => alpha - beta * Math.cos((2 * Math.PI * k) / (n - 1))),
  );
}

/** w[k] = (1 - cos(2 pi k / (n - 1))) / 2. Source: `torch.hann_window`. */
export function hannWindow(windowLength: number, options?: PeriodicOr<WindowOptions>): Tensor {
  checkNames("hannWindow", options, WINDOW_OPTIONS);
  return build("hannWindow", windowLength, options, (n) =>
    each(n, (k) => 0.5 - 0.5 * Math.cos((2 * Math.PI * k) / (n - 1))),
  );
}

/** Options of {@link kaiserWindow}. */
export interface KaiserOptions extends WindowOptions {
  /** Shape of the window (default 12). */
  beta?: number;
}

const KAISER_OPTIONS: OptionNames<KaiserOptions> = { beta: 1, periodic: 1, dtype: 1, requiresGrad: 1 };

/** w[k] = I0(beta sqrt(1 - (2k / (n - 1) - 1)^2)) / I0(beta). Source: `torch.kaiser_window`. */
export function kaiserWindow(windowLength: number, options?: PeriodicOr<KaiserOptions>): Tensor {
  checkNames("kaiserWindow", options, KAISER_OPTIONS);
  const { beta = 12 } = typeof options === "object" ? options : {};
  return build("kaiserWindow", windowLength, options, (n) => {
    const radius = (k: number) => beta * Math.sqrt(Math.max(0, 1 - ((2 * k) / (n - 1) - 1) ** 2));
    const x = fromTyped(Float64Array.from([...each(n, radius), beta]), [n + 1], FLOAT64);
    const out = empty(x.shape, FLOAT64);
    kernelFor(I0, FLOAT64)(ptr(x), ptr(out), n + 1);
    const values = toTyped(out) as Float64Array;
    return values.subarray(0, n).map((v) => v / (values[n] as number));
  });
}
