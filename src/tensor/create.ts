/** Creation of tensors from data and from rules. */

import {
  BOOL,
  checkFits,
  codeOf,
  type DType,
  type DTypeCode,
  defaultFloatCode,
  FLOAT32,
  FLOAT64,
  INT32,
  INT64,
  isFloat,
  isWhole,
  nameOf,
  type TypedArray,
  UINT8,
} from "./dtype.js";
import { DTypeError, ShapeError, show, ValueError } from "./errors.js";
import { nextOp } from "./heap.js";
import { enqueue, GRAIN, inPieces, kernelTable } from "./launch.js";
import { checkNames, checkOptions, type OptionNames } from "./options.js";
import {
  castTo,
  copyOf,
  empty as emptyRaw,
  fillWith,
  fromTyped,
  full as fullRaw,
  ptr,
  viewOf,
  writeNumbers,
} from "./raw.js";
import { checkSizes, type Shape } from "./shape.js";
import { Tensor } from "./tensor.js";

const ARANGE = kernelTable("arange");
const LINSPACE = kernelTable("linspace");

/** What `tensor` takes: numbers, booleans or bigints, nested to any depth, or a typed array. */
export type TensorData = number | boolean | bigint | TypedArray | readonly TensorData[];

/** Options of creation functions. */
export interface CreateOptions {
  /** Element type; by default that of the data, or the default floating dtype. */
  dtype?: DType;
  /** Record ops on the tensor, so that `backward()` gives it a `grad` (default false). */
  requiresGrad?: boolean;
}

const CREATE_OPTIONS: OptionNames<CreateOptions> = { dtype: 1, requiresGrad: 1 };

/** Marks a new leaf. @internal */
export function withGrad(t: Tensor, options: CreateOptions | undefined): Tensor {
  if (options?.requiresGrad === true) {
    if (!isFloat(t.code)) {
      throw new DTypeError(
        `[requiresGrad] only floating tensors can require gradients: got ${nameOf(t.code)}; try dtype: "float32"`,
      );
    }
    t.leafRequiresGrad = true;
  }
  return t;
}

function optionCode(options: CreateOptions | undefined): DTypeCode {
  return options?.dtype === undefined ? defaultFloatCode() : codeOf(options.dtype);
}

function typedCode(data: TypedArray): DTypeCode {
  if (data instanceof Float32Array) return FLOAT32;
  if (data instanceof Float64Array) return FLOAT64;
  if (data instanceof Int32Array) return INT32;
  return data instanceof BigInt64Array ? INT64 : UINT8;
}

const isInteger = (v: number | boolean | bigint): boolean => typeof v !== "number" || isWhole(v);

/** The dtype of typed arrays within nested ones, or null where there are none. */
function typedInside(data: TensorData): DTypeCode | null {
  if (ArrayBuffer.isView(data)) return typedCode(data as TypedArray);
  return Array.isArray(data) && data.length > 0 ? typedInside(data[0] as TensorData) : null;
}

function shapeOfData(data: TensorData): number[] {
  const shape: number[] = [];
  let at: TensorData = data;
  while (Array.isArray(at) || ArrayBuffer.isView(at)) {
    const list: readonly TensorData[] | TypedArray = at as readonly TensorData[] | TypedArray;
    shape.push(list.length);
    if (ArrayBuffer.isView(at) || list.length === 0) break;
    at = list[0] as TensorData;
  }
  return shape;
}

function flattenData(data: TensorData, shape: Shape, dim: number, into: (number | boolean | bigint)[]): void {
  if (dim === shape.length) {
    if (typeof data === "object" || data === undefined) throw ragged(shape, dim, data);
    if (typeof data !== "number" && typeof data !== "boolean" && typeof data !== "bigint") {
      throw new DTypeError(
        `[tensor] cannot hold ${typeof data} ${String(data)}: expected numbers, booleans or bigints`,
      );
    }
    into.push(data);
    return;
  }
  if (
    (!Array.isArray(data) && !ArrayBuffer.isView(data)) ||
    (data as { length: number }).length !== shape[dim]
  ) {
    throw ragged(shape, dim, data);
  }
  const list = data as ArrayLike<TensorData>;
  for (let i = 0; i < list.length; i++) flattenData(list[i] as TensorData, shape, dim + 1, into);
}

function ragged(shape: Shape, dim: number, data: unknown): ShapeError {
  const got = Array.isArray(data) ? `an array of ${data.length}` : String(data);
  return new ShapeError(
    `[tensor] nested arrays must be regular: at depth ${dim} got ${got}, expected ` +
      `${dim < shape.length ? `an array of ${shape[dim]}` : "a number"} (shape ${show(shape)})`,
  );
}

/**
 * A tensor from numbers, nested arrays or a typed array; the data is copied.
 * Without a dtype: booleans give bool, whole numbers int64, numbers with fractions the default float;
 * typed arrays keep their type. Source: `torch.tensor`.
 * @example
 * tensor([[1, 2], [3, 4.5]]).dtype; // "float32"
 * tensor([1, 2, 3]).dtype; // "int64"
 * @throws ShapeError when nested arrays are not regular.
 * @throws DTypeError when a number does not fit an integer dtype, as NaN does not.
 */
export function tensor(data: TensorData, options?: CreateOptions): Tensor {
  checkOptions("tensor", options, CREATE_OPTIONS);
  nextOp();
  if (data instanceof Tensor)
    return withGrad(
      castTo(copyOf(data), options?.dtype === undefined ? data.code : codeOf(options.dtype)),
      options,
    );
  if (ArrayBuffer.isView(data)) {
    const own = typedCode(data as TypedArray);
    const code = options?.dtype === undefined ? own : codeOf(options.dtype);
    const t = fromTyped(data as TypedArray, [(data as TypedArray).length], code);
    return withGrad(t, options);
  }
  const shape = shapeOfData(data);
  const flat: (number | boolean | bigint)[] = [];
  flattenData(data, shape, 0, flat);
  let code = options?.dtype === undefined ? null : codeOf(options.dtype);
  if (code === null) {
    if (flat.length === 0) code = defaultFloatCode();
    else if (flat.every((v) => typeof v === "boolean")) code = BOOL;
    else code = typedInside(data) ?? (flat.every(isInteger) ? INT64 : defaultFloatCode());
  }
  if (!isFloat(code)) for (const v of flat) checkFits("tensor", v, code);
  const t = emptyRaw(shape, code);
  writeNumbers(t, flat);
  return withGrad(t, options);
}

/** Uninitialised elements; only for tensors that are written at once. Source: `torch.empty`. */
export function empty(size: Shape, options?: CreateOptions): Tensor {
  checkOptions("empty", options, CREATE_OPTIONS);
  nextOp();
  return withGrad(emptyRaw(checkSizes("empty", size), optionCode(options)), options);
}

/** Zeros. Source: `torch.zeros`. */
export function zeros(size: Shape, options?: CreateOptions): Tensor {
  checkOptions("zeros", options, CREATE_OPTIONS);
  nextOp();
  return withGrad(fullRaw(checkSizes("zeros", size), 0, optionCode(options)), options);
}

/** Ones. Source: `torch.ones`. */
export function ones(size: Shape, options?: CreateOptions): Tensor {
  checkOptions("ones", options, CREATE_OPTIONS);
  nextOp();
  return withGrad(fullRaw(checkSizes("ones", size), 1, optionCode(options)), options);
}

/** One value everywhere; without a dtype, whole numbers give int64 and booleans bool. Source: `torch.full`. */
export function full(size: Shape, fillValue: number | boolean | bigint, options?: CreateOptions): Tensor {
  checkOptions("full", options, CREATE_OPTIONS);
  nextOp();
  if (typeof fillValue !== "number" && typeof fillValue !== "boolean" && typeof fillValue !== "bigint")
    throw new DTypeError(`[full] expected a number or a boolean as the value, got ${typeof fillValue}`);
  const own =
    typeof fillValue === "boolean"
      ? BOOL
      : typeof fillValue === "bigint" || isWhole(fillValue)
        ? INT64
        : defaultFloatCode();
  const code = options?.dtype === undefined ? own : codeOf(options.dtype);
  checkFits("full", fillValue, code);
  return withGrad(fullRaw(checkSizes("full", size), fillValue, code), options);
}

function likeCode(x: Tensor, options: CreateOptions | undefined): DTypeCode {
  return options?.dtype === undefined ? x.code : codeOf(options.dtype);
}

/** Uninitialised elements in the shape and dtype of `x`. Source: `torch.empty_like`. */
export function emptyLike(x: Tensor, options?: CreateOptions): Tensor {
  checkOptions("emptyLike", options, CREATE_OPTIONS);
  nextOp();
  return withGrad(emptyRaw(x.shape, likeCode(x, options)), options);
}

/** Zeros in the shape and dtype of `x`. Source: `torch.zeros_like`. */
export function zerosLike(x: Tensor, options?: CreateOptions): Tensor {
  checkOptions("zerosLike", options, CREATE_OPTIONS);
  nextOp();
  return withGrad(fullRaw(x.shape, 0, likeCode(x, options)), options);
}

/** Ones in the shape and dtype of `x`. Source: `torch.ones_like`. */
export function onesLike(x: Tensor, options?: CreateOptions): Tensor {
  checkOptions("onesLike", options, CREATE_OPTIONS);
  nextOp();
  return withGrad(fullRaw(x.shape, 1, likeCode(x, options)), options);
}

/** One value in the shape and dtype of `x`. Source: `torch.full_like`. */
export function fullLike(x: Tensor, fillValue: number | boolean | bigint, options?: CreateOptions): Tensor {
  checkOptions("fullLike", options, CREATE_OPTIONS);
  nextOp();
  const code = likeCode(x, options);
  checkFits("fullLike", fillValue, code);
  return withGrad(fullRaw(x.shape, fillValue, code), options);
}

/** Options of {@link arange}. */
export interface ArangeOptions extends CreateOptions {
  /** First value when only an end is given positionally (default 0). */
  start?: number;
  /** Distance between values (default 1). */
  step?: number;
}

const ARANGE_OPTIONS: OptionNames<ArangeOptions> = { start: 1, step: 1, dtype: 1, requiresGrad: 1 };

/**
 * Values from `start` (default 0) below `end`, `step` (default 1) apart. Whole numbers give int64.
 * Source: `torch.arange`.
 * @example
 * arange(4).toArray(); // [0, 1, 2, 3]
 * arange(1, 2, { step: 0.5 }).toArray(); // [1, 1.5]
 * @throws ValueError when the step is 0 or leads away from the end.
 */
export function arange(end: number, options?: ArangeOptions): Tensor;
export function arange(start: number, end: number, options?: ArangeOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: ArangeOptions): Tensor;
export function arange(
  a: number,
  b?: number | ArangeOptions,
  c?: number | ArangeOptions,
  d?: ArangeOptions,
): Tensor {
  checkNames("arange", b, ARANGE_OPTIONS);
  checkNames("arange", c, ARANGE_OPTIONS);
  checkOptions("arange", d, ARANGE_OPTIONS);
  nextOp();
  const options = [b, c, d].find((x): x is ArangeOptions => typeof x === "object");
  const start = typeof b === "number" ? a : (options?.start ?? 0);
  const end = typeof b === "number" ? b : a;
  const step = typeof c === "number" ? c : (options?.step ?? 1);
  if (step === 0 || ![start, end].every(Number.isFinite) || !((end - start) / step >= 0)) {
    throw new ValueError(
      `[arange] start ${start}, end ${end}, step ${step}: expected finite bounds and a step towards the end`,
    );
  }
  const whole = [start, end, step].every(isWhole);
  const code = options?.dtype === undefined ? (whole ? INT64 : defaultFloatCode()) : codeOf(options.dtype);
  const by = isFloat(code) ? step : wholeStep("arange", step);
  // PyTorch counts int64 by the whole parts, other dtypes by the numbers as given.
  const n = code === INT64 ? (Math.trunc(end) - Math.trunc(start)) / by : (end - start) / step;
  return withGrad(
    ramp(Math.max(0, Math.ceil(n)), isFloat(code) ? start : Math.trunc(start), by, code),
    options,
  );
}

/** A step between integers: its whole part, which must not be 0. */
function wholeStep(op: string, step: number): number {
  const whole = Math.trunc(step);
  if (whole === 0) throw new ValueError(`[${op}] step ${step} is 0 as an integer; try a floating dtype`);
  return whole;
}

function ramp(n: number, start: number, step: number, code: DTypeCode): Tensor {
  const t = emptyRaw([n], code);
  if (n === 0) return t;
  const at = ptr(t);
  inPieces(n, GRAIN * 4, (first, count) => {
    enqueue(ARANGE, code, at + first * t.itemsize, count, start + first * step, step);
  });
  return t;
}

/** Options of {@link range}. */
export interface RangeOptions extends CreateOptions {
  /** Distance between values (default 1). */
  step?: number;
}

const RANGE_OPTIONS: OptionNames<RangeOptions> = { step: 1, dtype: 1, requiresGrad: 1 };

/**
 * Values from `start` to `end`, the end included, in the default floating dtype. Source: `torch.range`.
 * @example
 * range(1, 3).toArray(); // [1, 2, 3]
 */
export function range(start: number, end: number, options: RangeOptions = {}): Tensor {
  checkOptions("range", options, RANGE_OPTIONS);
  nextOp();
  const step = options.step ?? 1;
  if (step === 0 || ![start, end].every(Number.isFinite) || !((end - start) / step >= 0)) {
    throw new ValueError(
      `[range] start ${start}, end ${end}, step ${step}: expected finite bounds and a step towards the end`,
    );
  }
  const code = optionCode(options);
  if (isFloat(code)) return withGrad(ramp(Math.floor((end - start) / step) + 1, start, step, code), options);
  const by = wholeStep("range", step);
  const n = Math.floor((Math.trunc(end) - Math.trunc(start)) / by) + 1;
  return withGrad(ramp(n, Math.trunc(start), by, code), options);
}

/** `steps` values from `start` to `end`, both included, evenly spaced. Source: `torch.linspace`. */
export function linspace(start: number, end: number, steps: number, options?: CreateOptions): Tensor {
  checkOptions("linspace", options, CREATE_OPTIONS);
  nextOp();
  checkSizes("linspace", [steps]);
  const code = optionCode(options);
  for (const bound of [start, end]) checkFits("linspace", bound, code);
  const t = emptyRaw([steps], code === BOOL ? FLOAT64 : code);
  if (steps === 0) return withGrad(castTo(t, code), options);
  const step = steps > 1 ? (end - start) / (steps - 1) : 0;
  const at = ptr(t);
  inPieces(steps, GRAIN, (first, count) => {
    enqueue(LINSPACE, t.code, at + first * t.itemsize, first, count, steps, start, end, step);
  });
  return withGrad(castTo(t, code), options);
}

const LOGSPACE_OPTIONS: OptionNames<CreateOptions & { base?: number }> = {
  dtype: 1,
  requiresGrad: 1,
  base: 1,
};

/** `base` to the powers of {@link linspace}. Source: `torch.logspace`. */
export function logspace(
  start: number,
  end: number,
  steps: number,
  options?: CreateOptions & { base?: number },
): Tensor {
  checkOptions("logspace", options, LOGSPACE_OPTIONS);
  nextOp();
  checkSizes("logspace", [steps]);
  const base = options?.base ?? 10;
  const t = emptyRaw([steps], optionCode(options));
  const step = steps > 1 ? (end - start) / (steps - 1) : 0;
  const values = new Float64Array(steps);
  for (let i = 0; i < steps; i++)
    values[i] = base ** (i < steps / 2 ? start + i * step : end - (steps - 1 - i) * step);
  const odd = isFloat(t.code) ? undefined : values.find((v) => !Number.isFinite(v));
  if (odd !== undefined) checkFits("logspace", odd, t.code);
  writeNumbers(t, values);
  return withGrad(t, options);
}

const EYE_OPTIONS: OptionNames<CreateOptions & { m?: number }> = { dtype: 1, requiresGrad: 1, m: 1 };

/** A matrix with ones on the diagonal. Source: `torch.eye`. */
export function eye(
  n: number,
  m?: number | (CreateOptions & { m?: number }),
  options?: CreateOptions,
): Tensor {
  checkNames("eye", m, EYE_OPTIONS);
  checkOptions("eye", options, CREATE_OPTIONS);
  nextOp();
  const o = typeof m === "object" ? m : options;
  const cols = typeof m === "number" ? m : ((m as { m?: number } | undefined)?.m ?? n);
  const shape = checkSizes("eye", [n, cols]);
  const t = fullRaw(shape, 0, optionCode(o));
  fillWith(viewOf(t, [Math.min(n, cols)], [cols + 1], 0), 1);
  return withGrad(t, o);
}
