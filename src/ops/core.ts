/** What op files share: operands, promotion, elementwise maps over tensors of any strides. */
import { mode } from "../autograd/mode.js";
import type { Node } from "../autograd/node.js";
import { defineOp, run } from "../autograd/op.js";
import {
  BOOL,
  category,
  type DTypeCode,
  defaultFloatCode,
  INT64,
  isFloat,
  isWhole,
  nameOf,
  SIZES,
} from "../tensor/dtype.js";
import { AutogradError, DTypeError } from "../tensor/errors.js";
import { KEPT, startRecording, stopRecording } from "../tensor/heap.js";
import {
  enqueue,
  flatUnary,
  GRAIN,
  inPieces,
  type KernelTable,
  kernelFor,
  kernelTable,
  overUnits,
} from "../tensor/launch.js";
import { castTo, contiguous, copyOf, empty, expandTo, full, ptr } from "../tensor/raw.js";
import { broadcastShapes, collapse, type Shape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { cast } from "./cast.js";

/** A number, a boolean or a bigint where an op takes a tensor. */
export type Scalar = number | boolean | bigint;
/** What binary ops take. */
export type Operand = Tensor | Scalar;

/** The dtype code that a bare number has: whole numbers are int64, others the default floating type. */
export function scalarCode(value: Scalar): DTypeCode {
  if (typeof value === "boolean") return BOOL;
  if (typeof value === "bigint") return INT64;
  if (typeof value !== "number") throw noOperand(value);
  return isWhole(value) ? INT64 : defaultFloatCode();
}

/** What is given where a tensor is expected, and how to make one of it. */
function given(value: unknown): string {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return "an array; try tensor([...])";
  if (value instanceof Tensor) return "one tensor";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "string" ? `"${value}"` : String(value);
}

function noOperand(value: unknown): DTypeError {
  return new DTypeError(`[operand] expected a tensor or a number, got ${given(value)}`);
}

/** Throws by the name of the op unless an argument is a tensor. @internal */
export function needTensor(op: string, value: unknown, what = "input"): void {
  if (!(value instanceof Tensor))
    throw new DTypeError(`[${op}] expected a tensor as ${what}, got ${given(value)}`);
}

/** Throws by the name of the op unless an argument is a list of tensors. @internal */
export function needTensors(op: string, list: unknown): void {
  if (!Array.isArray(list))
    throw new DTypeError(`[${op}] expected a list of tensors, got ${given(list)}; try ${op}([a, b])`);
  for (const item of list) needTensor(op, item, "each of the list");
}

/** Throws where `t` requires a gradient that the op does not give. */
export function checkNoGradient(op: string, what: string, t: Tensor | null): void {
  if (t?.requiresGrad === true && mode.grad)
    throw new AutogradError(`[${op}] ${what} gets no gradient, but requires one; try ${what}.detach()`);
}

/**
 * PyTorch's promotion: tensors with dimensions decide; 0-d tensors and then bare numbers count only when their
 * category (bool, integer, floating) is higher.
 */
export function promote(a: Operand, b: Operand, c?: Operand): DTypeCode {
  if (c === undefined && a instanceof Tensor && b instanceof Tensor && a.code === b.code) return a.code;
  let [dimmed, single, bare] = [-1, -1, -1];
  for (const x of c === undefined ? [a, b] : [a, b, c]) {
    if (!(x instanceof Tensor)) bare = Math.max(bare, scalarCode(x));
    else if (x.shape.length > 0) dimmed = Math.max(dimmed, x.code);
    else single = Math.max(single, x.code);
  }
  return override(dimmed, override(single, bare)) as DTypeCode;
}

/** The stronger of two dtype codes (-1 for none), unless the weaker one has a higher category. */
function override(strong: number, weak: number): number {
  if (strong < 0 || weak < 0) return Math.max(strong, weak);
  return category(weak) > category(strong) ? weak : strong;
}

/** Numbers already met as operands, as 0-d tensors by dtype: nothing writes to them, so they are made once. */
const constants: Map<Scalar, Tensor>[] = SIZES.map(() => new Map());
const MAX_CONSTANTS = 256;

/** A number as a 0-d tensor of dtype `code`; shared, so only for reading. */
export function constant(value: Scalar, code: DTypeCode): Tensor {
  const known = constants[code] as Map<Scalar, Tensor>;
  const found = known.get(value);
  if (found !== undefined && !Object.is(value, -0)) return found;
  if (typeof value !== "number" && typeof value !== "boolean" && typeof value !== "bigint")
    throw noOperand(value);
  const outer = startRecording([]); // no backward pass and no scope may free it
  const made = full([], value, code);
  stopRecording(outer);
  made.storage.flags = KEPT;
  if (known.size >= MAX_CONSTANTS) known.clear();
  if (!Object.is(value, -0)) known.set(value, made);
  return made;
}

/** The operand as a tensor; numbers become 0-d tensors of dtype `code`. */
export function operand(x: Operand, code: DTypeCode): Tensor {
  return x instanceof Tensor ? x : constant(x, code);
}

/** The dtype of a function with fractional results, such as exp: floats keep theirs, others get the default. */
export function floatCode(code: DTypeCode): DTypeCode {
  return isFloat(code) ? code : defaultFloatCode();
}

/**
 * out = kernel(x) elementwise; `cost` is the time per element relative to an addition. `into` (contiguous, of the right
 * shape and dtype) receives the result in place of a new tensor; it may be `x`.
 */
export function mapUnary(
  table: KernelTable,
  x: Tensor,
  cost = 1,
  outCode = x.code,
  p0 = 0,
  p1 = 0,
  p2 = 0,
  into?: Tensor,
): Tensor {
  const src = contiguous(x);
  const out = into ?? empty(x.shape, outCode);
  const n = x.numel;
  if (n > 0) {
    const size = SIZES[src.code] as number;
    flatUnary(table, src.code, ptr(src), ptr(out), n, size, SIZES[outCode] as number, cost, p0, p1, p2);
  } else kernelFor(table, src.code);
  return out;
}

/**
 * out = kernel(a, b) elementwise with broadcasting; both operands are cast to `code` first. `into` (contiguous, of the
 * right shape and dtype) receives the result; it may be one of the operands.
 */
export function mapBinary(
  table: KernelTable,
  op: string,
  left: Tensor,
  right: Tensor,
  code: DTypeCode,
  outCode: DTypeCode = code,
  cost = 1,
  p0 = 0,
  into?: Tensor,
): Tensor {
  const a = castTo(left, code);
  const b = castTo(right, code);
  const fn = kernelFor(table, code);
  const shape = broadcastShapes(op, a.shape, b.shape);
  const out = into ?? empty(shape, outCode);
  const n = out.numel;
  if (n === 0) return out;
  // Operands of n elements have the shape of the result but for leading ones; a single one is repeated.
  if ((a.numel === 1 || (a.contig && a.numel === n)) && (b.numel === 1 || (b.contig && b.numel === n))) {
    const sa = a.numel === 1 ? 0 : 1;
    const sb = b.numel === 1 ? 0 : 1;
    if (n * cost < 2 * GRAIN) fn(ptr(a), ptr(b), ptr(out), 1, n, 0, sa, 0, sb, p0);
    else overRows(table, code, [a, b], out, 1, n, [0, sa, 0, sb], cost, p0);
    return out;
  }
  // A row (or block) of one operand repeated over the other.
  if (n * cost < 2 * GRAIN && a.contig && b.contig) {
    if (a.numel === n && isTail(b.shape, shape)) {
      fn(ptr(a), ptr(b), ptr(out), n / b.numel, b.numel, b.numel, 1, 0, 1, p0);
      return out;
    }
    if (b.numel === n && isTail(a.shape, shape)) {
      fn(ptr(a), ptr(b), ptr(out), n / a.numel, a.numel, 0, 1, a.numel, 1, p0);
      return out;
    }
  }
  broadcastRows(table, code, [a, b], out, cost, p0);
  return out;
}

/** Whether `part`, but for leading ones, is how `shape` ends. */
function isTail(part: Shape, shape: Shape): boolean {
  let i = part.length - 1;
  for (let j = shape.length - 1; i >= 0 && part[i] === shape[j]; j--) i--;
  while (i >= 0 && part[i] === 1) i--;
  return i < 0;
}

/** out = kernel(inputs...), that of dtype `code`, for inputs that broadcast to the shape of `out`. */
export function broadcastRows(
  table: KernelTable,
  code: DTypeCode,
  inputs: readonly Tensor[],
  out: Tensor,
  cost: number,
  p0 = 0,
): void {
  const { shape, numel } = out;
  if (numel === 0) return;
  if (inputs.every((t) => t.numel === 1 || (t.contig && t.numel === numel))) {
    const steps = inputs.flatMap((t) => (t.numel === 1 ? [0, 0] : [0, 1]));
    overRows(table, code, inputs, out, 1, numel, steps, cost, p0);
    return;
  }
  let views = inputs.map((t) => expandTo(t, shape));
  let flat = collapse(
    shape,
    views.map((v) => v.strides),
  );
  const many = flat.shape.length === 3 && (flat.shape[0] as number) > 16;
  if (flat.shape.length > 3 || (many && (flat.shape[0] as number) * 256 > numel)) {
    views = views.map(copyOf);
    flat = collapse(
      shape,
      views.map((v) => v.strides),
    );
  }
  const rank = flat.shape.length;
  const [lead, outer, inner] = [
    flat.shape[rank - 3] ?? 1,
    flat.shape[rank - 2] ?? 1,
    flat.shape[rank - 1] ?? 1,
  ];
  const steps = flat.strides.flatMap((s) => [s[rank - 2] ?? 0, s[rank - 1] ?? 0]);
  if (lead === 1) {
    overRows(table, code, views, out, outer, inner, steps, cost, p0);
    return;
  }
  const outStep = outer * inner * (SIZES[out.code] as number);
  const leadSteps = flat.strides.map(
    (s, k) => (s[0] as number) * (SIZES[(views[k] as Tensor).code] as number),
  );
  const at = views.map(ptr);
  const to = ptr(out);
  inPieces(lead, Math.ceil(GRAIN / (outer * inner * cost)), (first, count) => {
    for (let i = first; i < first + count; i++) {
      const from = at.map((p, k) => p + i * (leadSteps[k] as number));
      enqueue(table, code, ...from, to + i * outStep, outer, inner, ...steps, p0);
    }
  });
}

/** Calls `kernel(inputs..., out, outer, inner, steps...)`, cut into pieces when large. */
function overRows(
  table: KernelTable,
  code: DTypeCode,
  inputs: readonly Tensor[],
  out: Tensor,
  outer: number,
  inner: number,
  steps: readonly number[],
  cost: number,
  p0: number,
): void {
  const at = inputs.map(ptr);
  const to = ptr(out);
  if (outer * inner * cost < 2 * GRAIN) {
    kernelFor(table, code)(...at, to, outer, inner, ...steps, p0);
    return;
  }
  const byColumn = outer === 1;
  const bytes = inputs.map(
    (t, k) => (SIZES[t.code] as number) * (steps[2 * k + (byColumn ? 1 : 0)] as number),
  );
  bytes.push((SIZES[out.code] as number) * (byColumn ? 1 : inner));
  const args = [...at, to, outer, inner, ...steps, p0];
  const perUnit = args.map((_, k) => bytes[k] ?? 0);
  const [total, grain] = byColumn ? [inner, GRAIN / cost] : [outer, GRAIN / (cost * inner)];
  overUnits(table, code, total, grain, args, perUnit, at.length + (byColumn ? 2 : 1));
}

/** out = kernel(inputs..., out, n, params...) for a kernel on flat data; inputs are broadcast, and copied if need be. */
export function mapFlat(
  table: KernelTable,
  inputs: readonly Tensor[],
  shape: Shape,
  code: DTypeCode,
  cost: number,
  ...params: number[]
): Tensor {
  const flat = inputs.map((t) => contiguous(expandTo(t, shape)));
  const out = empty(shape, code);
  const n = out.numel;
  if (n === 0) return out;
  const size = SIZES[code] as number;
  const at = [...flat, out].map(ptr);
  if (n * cost < 2 * GRAIN) kernelFor(table, code)(...at, n, ...params);
  else {
    const args = [...at, n, ...params];
    overUnits(
      table,
      code,
      n,
      GRAIN / cost,
      args,
      args.map((_, k) => (k < at.length ? size : 0)),
      at.length,
    );
  }
  return out;
}

/** A function of one tensor, elementwise. */
export type Unary = (x: Tensor) => Tensor;
/** A function of two tensors or numbers, elementwise with broadcasting. */
export type Binary = (x: Operand, other: Operand) => Tensor;

/** Gradient of one tensor. */
export interface UnaryDerivative {
  /** Whether the backward reads the input. */
  readonly saves?: boolean;
  /** Whether the backward reads the output. */
  readonly savesOutput?: boolean;
  /** Time per element relative to an addition (default 8). */
  readonly cost?: number;
  readonly backward: (g: Tensor, n: Node<null>) => Tensor;
}

const opName = (kernel: string) => kernel.charAt(0).toUpperCase() + kernel.slice(1);

/** The tensor itself when floating, else cast to the default floating dtype. */
export function floating(x: Tensor): Tensor {
  return isFloat(x.code) ? x : cast(x, defaultFloatCode());
}

/** A function with a kernel for floats; integers and booleans are cast to the default float first. */
export function floatUnary(kernel: string, { cost = 8, backward, ...saves }: UnaryDerivative): Unary {
  const table = kernelTable(kernel);
  const op = defineOp({
    name: opName(kernel),
    ...saves,
    forward: ([x]) => mapUnary(table, x as Tensor, cost),
    backward: (g, n) => [backward(g, n)],
  });
  return (x) => {
    needTensor(kernel, x);
    return run(op, [floating(x)], null);
  };
}

/** Gradients of two tensors; each is asked for only when needed. */
export interface BinaryDerivative {
  readonly saves?: boolean | readonly number[];
  readonly savesOutput?: boolean;
  readonly cost?: number;
  readonly backward: readonly [
    (g: Tensor, n: Node<DTypeCode>) => Tensor,
    (g: Tensor, n: Node<DTypeCode>) => Tensor,
  ];
}

/** A function of two operands with a kernel; `dtype` turns the promoted dtype into that of the computation. */
export function binary(
  kernel: string,
  { cost = 1, backward, ...saves }: BinaryDerivative,
  dtype: (code: DTypeCode) => DTypeCode = (code) => code,
  table: KernelTable = kernelTable(kernel),
): Binary {
  const op = defineOp<DTypeCode>({
    name: opName(kernel),
    ...saves,
    forward: ([a, b], code) => mapBinary(table, kernel, a as Tensor, b as Tensor, code, code, cost),
    backward: (g, n) => [n.needs(0) ? backward[0](g, n) : null, n.needs(1) ? backward[1](g, n) : null],
  });
  return (x, other) => {
    const code = dtype(promote(x, other));
    return run(op, [operand(x, code), operand(other, code)], code);
  };
}

/** Passes every dtype but bool. */
export function notBool(op: string, hint: string): (code: DTypeCode) => DTypeCode {
  return (code) => {
    if (code === BOOL) throw new DTypeError(`[${op}] not defined for bool; try ${hint}`);
    return code;
  };
}

/** Passes floating dtypes only. */
export function floatOnly(op: string): (code: DTypeCode) => DTypeCode {
  return (code) => {
    if (!isFloat(code))
      throw new DTypeError(`[${op}] expected a floating dtype, got ${nameOf(code)}; try x.to("float32")`);
    return code;
  };
}
