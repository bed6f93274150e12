/** assertClose: whether results are what one expects, and an error that shows where they are not. */

import { KindlingError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { castTo, describe, detached, toTyped } from "../tensor/raw.js";
import { sameShape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";

/** Thrown by {@link assertClose} with the places and sizes of the greatest differences. */
export class AssertionError extends KindlingError {
  /** The name of the class. */
  override name = "AssertionError";
}

/** Options of {@link assertClose}. */
export interface AssertCloseOptions {
  /** Tolerance relative to the expected value; give both tolerances or none. Default: by dtype, see {@link assertClose}. */
  rtol?: number;
  /** Absolute tolerance. */
  atol?: number;
  /** Whether two NaN are close (default false). */
  equalNan?: boolean;
  /** Whether dtypes must be the same (default true). */
  checkDtype?: boolean;
  /** Whether strides must be the same (default false). */
  checkStride?: boolean;
  /** What the error says in place of the differences, or a function of that text. */
  msg?: string | ((message: string) => string);
}

const ASSERT_CLOSE_OPTIONS: OptionNames<AssertCloseOptions> = {
  rtol: 1,
  atol: 1,
  equalNan: 1,
  checkDtype: 1,
  checkStride: 1,
  msg: 1,
};

type Values = ArrayLike<number | bigint>;

const TOLERANCES: Readonly<Record<string, readonly [rtol: number, atol: number]>> = {
  float32: [1.3e-6, 1e-5],
  float64: [1e-7, 1e-7],
};

function tolerances(a: string, b: string, options: AssertCloseOptions): readonly [number, number] {
  const { rtol, atol } = options;
  if ((rtol === undefined) !== (atol === undefined)) {
    throw new ValueError(
      `[assertClose] got ${rtol === undefined ? "atol without rtol" : "rtol without atol"}: expected both or none`,
    );
  }
  if (rtol !== undefined && atol !== undefined) return [rtol, atol];
  const [x, y] = [TOLERANCES[a] ?? [0, 0], TOLERANCES[b] ?? [0, 0]];
  return [Math.max(x[0] as number, y[0] as number), Math.max(x[1] as number, y[1] as number)];
}

/** The greatest difference so far. */
interface Greatest {
  value: number;
  at: number;
}

function indexOf(flat: number, shape: readonly number[]): string {
  const index: number[] = [];
  let rest = flat;
  for (let d = shape.length - 1; d >= 0; d--) {
    index.unshift(rest % (shape[d] as number));
    rest = Math.floor(rest / (shape[d] as number));
  }
  return show(index);
}

/** One comparison of nested values; `path` says where in them. */
class Comparison {
  constructor(
    private readonly options: AssertCloseOptions,
    private readonly path: string,
  ) {
    checkOptions(new.target.name, options, ASSERT_CLOSE_OPTIONS);
  }

  private fail(message: string): never {
    const text = this.path === "" ? message : `${message}\nThe difference is at ${this.path}.`;
    const { msg } = this.options;
    throw new AssertionError(msg === undefined ? text : typeof msg === "string" ? msg : msg(text));
  }

  private inner(key: string): Comparison {
    return new Comparison(this.options, `${this.path}${key}`);
  }

  compare(actual: unknown, expected: unknown): void {
    if (actual instanceof Tensor && expected instanceof Tensor) this.tensors(actual, expected);
    else if (typeof actual === "number" && typeof expected === "number") {
      this.values([actual], [expected], [], tolerances("float64", "float64", this.options));
    } else if (Array.isArray(actual) && Array.isArray(expected)) this.arrays(actual, expected);
    else if (isObject(actual) && isObject(expected)) this.objects(actual, expected);
    else if (!Object.is(actual, expected)) {
      this.fail(`[assertClose] got ${describeAny(actual)}, expected ${describeAny(expected)}`);
    }
  }

  private arrays(actual: readonly unknown[], expected: readonly unknown[]): void {
    if (actual.length !== expected.length) {
      this.fail(`[assertClose] got an array of ${actual.length}, expected one of ${expected.length}`);
    }
    actual.forEach((v, i) => {
      this.inner(`[${i}]`).compare(v, expected[i]);
    });
  }

  private objects(actual: Record<string, unknown>, expected: Record<string, unknown>): void {
    const [got, wanted] = [Object.keys(actual).sort(), Object.keys(expected).sort()];
    if (got.join() !== wanted.join()) {
      this.fail(`[assertClose] got the keys ${got.join(", ")}, expected ${wanted.join(", ")}`);
    }
    for (const key of wanted) this.inner(`.${key}`).compare(actual[key], expected[key]);
  }

  private tensors(actual: Tensor, expected: Tensor): void {
    const { checkDtype = true, checkStride = false } = this.options;
    if (!sameShape(actual.shape, expected.shape)) {
      this.fail(`[assertClose] got shape ${show(actual.shape)}, expected ${show(expected.shape)}`);
    }
    if (checkDtype && actual.code !== expected.code) {
      this.fail(`[assertClose] got dtype ${actual.dtype}, expected ${expected.dtype}`);
    }
    if (checkStride && String(actual.strides) !== String(expected.strides)) {
      this.fail(`[assertClose] got strides ${show(actual.strides)}, expected ${show(expected.strides)}`);
    }
    const code = Math.max(actual.code, expected.code) as Tensor["code"];
    const read = (t: Tensor) => toTyped(castTo(detached(t), code)) as Values;
    const tolerance = tolerances(actual.dtype, expected.dtype, this.options);
    this.values(read(actual), read(expected), actual.shape, tolerance);
  }

  private values(a: Values, b: Values, shape: readonly number[], tolerance: readonly [number, number]): void {
    const [rtol, atol] = tolerance;
    const absolute: Greatest = { value: -1, at: 0 };
    const relative: Greatest = { value: -1, at: 0 };
    let wrong = 0;
    for (let i = 0; i < a.length; i++) {
      if (a[i] === b[i]) continue;
      const [x, y] = [Number(a[i]), Number(b[i])];
      if (this.options.equalNan === true && Number.isNaN(x) && Number.isNaN(y)) continue;
      const difference = Math.abs(Number.isFinite(x) ? x - y : Number.NaN);
      const exact = typeof a[i] === "bigint" && rtol === 0 && atol === 0;
      if (!exact && Number.isFinite(y) && difference <= atol + rtol * Math.abs(y)) continue;
      wrong++;
      track(absolute, difference, i);
      track(relative, difference / Math.abs(y), i);
    }
    if (wrong === 0) return;
    const allowed = (limit: number) => (rtol === 0 && atol === 0 ? "" : ` (up to ${limit} allowed)`);
    const where = (g: Greatest) => (shape.length === 0 ? "" : ` at ${indexOf(g.at, shape)}`);
    const what = rtol === 0 && atol === 0 ? "equal" : "close";
    this.fail(
      `[assertClose] the ${shape.length === 0 ? "values" : "tensors"} are not ${what}: ` +
        `got ${a[absolute.at]}, expected ${b[absolute.at]}${where(absolute)}\n` +
        `Mismatched elements: ${wrong} of ${a.length} (${((100 * wrong) / a.length).toFixed(1)} %)\n` +
        `Greatest absolute difference: ${absolute.value}${where(absolute)}${allowed(atol)}\n` +
        `Greatest relative difference: ${relative.value}${where(relative)}${allowed(rtol)}`,
    );
  }
}

/** NaN is the greatest of all differences. */
function track(greatest: Greatest, value: number, at: number): void {
  if (Number.isNaN(greatest.value) || value <= greatest.value) return;
  greatest.value = value;
  greatest.at = at;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !(value instanceof Tensor) && !Array.isArray(value);
}

function describeAny(value: unknown): string {
  if (value instanceof Tensor) return `a tensor ${describe(value)}`;
  if (Array.isArray(value)) return "an array";
  if (isObject(value)) return "an object";
  return String(value);
}

/**
 * Throws unless `|actual - expected| <= atol + rtol |expected|` everywhere, with the same shapes and dtypes; arrays
 * and objects are compared part by part. Infinities are close to themselves only, NaN to nothing. Default tolerances:
 *
 * | dtype | rtol | atol |
 * |---|---|---|
 * | float32 | 1.3e-6 | 1e-5 |
 * | float64, numbers | 1e-7 | 1e-7 |
 * | others | 0 | 0 |
 *
 * Source: `torch.testing.assert_close`.
 * @example
 * assertClose(tensor([1, 2]).to("float32").sqrt().square(), tensor([1, 2]).to("float32"));
 * assertClose({ loss: 0.1 + 0.2 }, { loss: 0.3 });
 * assertClose(tensor([1, 2]), tensor([1, 3])); // throws [assertClose] the tensors are not equal: got 2, expected 3 at [1]
 * @throws AssertionError naming the greatest differences and where they are.
 * @throws ValueError with one tolerance alone.
 */
export function assertClose(actual: unknown, expected: unknown, options: AssertCloseOptions = {}): void {
  checkOptions("assertClose", options, ASSERT_CLOSE_OPTIONS);
  new Comparison(options, "").compare(actual, expected);
}
