/** Printing of tensors, to the character as PyTorch prints them (the rules of torch/_tensor_str.py, written anew). */

import { checkOptions, type OptionNames } from "./options.js";

/** Key of the method that `console.log` calls in Node. */
export const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom") as never;

/** How tensors are printed; the defaults are PyTorch's. */
export interface PrintOptions {
  /** Digits after the point. */
  precision: number;
  /** Tensors of more elements than this are summarised. */
  threshold: number;
  /** Elements shown at each end of a summarised dimension. */
  edgeitems: number;
  /** Characters a line. */
  linewidth: number;
  /** Scientific notation: always, never, or (null) where the values call for it. */
  sciMode: boolean | null;
}

/** Options of {@link setPrintOptions}. */
export interface SetPrintOptions extends Partial<PrintOptions> {
  /**
   * A set of values to start from: "default", "short" (2 digits, 2 items at the edges) or "full" (all items).
   */
  profile?: "default" | "short" | "full";
}

const SET_PRINT_OPTIONS: OptionNames<SetPrintOptions> = {
  profile: 1,
  precision: 1,
  threshold: 1,
  edgeitems: 1,
  linewidth: 1,
  sciMode: 1,
};

/** What {@link formatTensor} shows besides the values. */
interface FormatOptions extends Partial<PrintOptions> {
  requiresGrad?: boolean;
  /** Name of the op that made the tensor, shown as `gradFn=<Name>` in place of `requiresGrad`. */
  gradFn?: string;
  /** The dtype that is not shown. */
  defaultDtype?: string;
}

type Value = number | bigint | boolean;
type Values = ArrayLike<Value>;

const DEFAULTS: PrintOptions = { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sciMode: null };
const PROFILES = {
  default: DEFAULTS,
  short: { ...DEFAULTS, precision: 2, edgeitems: 2 },
  full: { ...DEFAULTS, threshold: Number.POSITIVE_INFINITY },
} as const satisfies Record<string, PrintOptions>;

let current: PrintOptions = { ...DEFAULTS };

/**
 * Changes how tensors are printed; as in PyTorch, each call resets `sciMode` unless it gives it.
 * Source: `torch.set_printoptions`.
 * @example
 * setPrintOptions({ precision: 2 });
 * String(tensor([1 / 3])); // "tensor([0.33])"
 * setPrintOptions({ profile: "default" });
 */
export function setPrintOptions(options: SetPrintOptions = {}): void {
  checkOptions("setPrintOptions", options, SET_PRINT_OPTIONS);
  const { profile, sciMode = null, ...rest } = options;
  current = { ...current, ...(profile ? PROFILES[profile] : {}), ...rest, sciMode };
}

/** The options now in force. */
export function getPrintOptions(): PrintOptions {
  return { ...current };
}

// ---- numbers, as C's printf writes them: exact binary value, ties to even ----

/** |x| = mantissa 2^exponent, exactly. */
function split(x: number): [mantissa: bigint, exponent: number] {
  const bits = new BigUint64Array(new Float64Array([Math.abs(x)]).buffer)[0] as bigint;
  const exponent = Number(bits >> 52n);
  const fraction = bits & 0xfffffffffffffn;
  return exponent === 0 ? [fraction, -1074] : [fraction | 0x10000000000000n, exponent - 1075];
}

/** a/b rounded to an integer, ties to even. */
function divideRounded(a: bigint, b: bigint): bigint {
  const q = a / b;
  const twice = (a - q * b) * 2n;
  return twice > b || (twice === b && (q & 1n) === 1n) ? q + 1n : q;
}

/** |x| 10^digits, rounded to an integer. */
function scaled(x: number, digits: number): bigint {
  const [m, e] = split(x);
  const num = m * 10n ** BigInt(Math.max(digits, 0)) * 2n ** BigInt(Math.max(e, 0));
  const den = 10n ** BigInt(Math.max(-digits, 0)) * 2n ** BigInt(Math.max(-e, 0));
  return divideRounded(num, den);
}

function special(x: number): string | null {
  if (Number.isNaN(x)) return "nan";
  return Number.isFinite(x) ? null : x > 0 ? "inf" : "-inf";
}

function signOf(x: number): string {
  return x < 0 || Object.is(x, -0) ? "-" : "";
}

function point(digits: string, precision: number): string {
  if (precision === 0) return digits;
  const padded = digits.padStart(precision + 1, "0");
  return `${padded.slice(0, -precision)}.${padded.slice(-precision)}`;
}

/** printf's `%.<precision>f`. */
export function toFixedExact(x: number, precision: number): string {
  return special(x) ?? signOf(x) + point(scaled(x, precision).toString(), precision);
}

/** printf's `%.<precision>e`. */
export function toExponentialExact(x: number, precision: number): string {
  const word = special(x);
  if (word !== null) return word;
  let exponent = x === 0 ? 0 : Math.floor(Math.log10(Math.abs(x)));
  let digits = scaled(x, precision - exponent).toString();
  // The estimate of the exponent may be one too high, and rounding may carry into a new digit.
  while (x !== 0 && digits.length !== precision + 1) {
    exponent += digits.length > precision + 1 ? 1 : -1;
    digits = scaled(x, precision - exponent).toString();
  }
  const power = Math.abs(exponent).toString().padStart(2, "0");
  return `${signOf(x)}${point(digits.padEnd(precision + 1, "0"), precision)}e${exponent < 0 ? "-" : "+"}${power}`;
}

// ---- one format for all elements ----

interface Formatter {
  width: number;
  format(value: Value): string;
}

function padded(width: number, text: (value: Value) => string): Formatter {
  return { width, format: (value) => text(value).padStart(width) };
}

function widest(values: Value[], text: (value: Value) => string): number {
  return values.reduce<number>((width, value) => Math.max(width, text(value).length), 1);
}

/** Whole numbers print as "1."; a wide range or tiny values switch to scientific notation. */
function floatFormatter(values: Value[], { precision, sciMode }: PrintOptions): Formatter {
  const finite = values.map(Number).filter((v) => v !== 0 && Number.isFinite(v));
  const fixed = (v: Value) => toFixedExact(Number(v), precision);
  const scientific = (v: Value) => toExponentialExact(Number(v), precision);
  const whole = (v: Value) => toFixedExact(Number(v), 0) + (Number.isFinite(v) ? "." : "");
  const integral = finite.every(Number.isInteger);
  let smallest = Number.POSITIVE_INFINITY;
  let largest = 0;
  for (const v of finite) {
    smallest = Math.min(smallest, Math.abs(v));
    largest = Math.max(largest, Math.abs(v));
  }
  const wide =
    finite.length > 0 && (largest / smallest > 1000 || largest > 1e8 || (!integral && smallest < 1e-4));
  const plain = integral ? whole : fixed;
  const width = widest(finite, wide ? scientific : plain);
  // As in PyTorch, sciMode speaks of finite values other than 0 only.
  return padded(width, (finite.length > 0 ? (sciMode ?? wide) : false) ? scientific : plain);
}

function formatterOf(values: Value[], dtype: string, options: PrintOptions): Formatter {
  if (dtype.startsWith("float")) return floatFormatter(values, options);
  const text = dtype === "bool" ? (v: Value) => (v ? "true" : "false") : String;
  return padded(widest(values, text), text);
}

// ---- layout ----

/** The indexes shown of a dimension, null standing for "...". */
function shown(size: number, summarise: boolean, edgeitems: number): (number | null)[] {
  const all = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  if (!summarise || size <= 2 * edgeitems) return all(0, size);
  return [...all(0, edgeitems), null, ...all(size - edgeitems, size)];
}

class Layout {
  private readonly strides: number[];

  constructor(
    private readonly data: Values,
    private readonly shape: readonly number[],
    private readonly summarise: boolean,
    private readonly options: PrintOptions,
  ) {
    this.strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1));
  }

  private indexes(dim: number): (number | null)[] {
    return shown(this.shape[dim] as number, this.summarise, this.options.edgeitems);
  }

  private at(offset: number): Value {
    return this.data[offset] as Value;
  }

  /** The values that will be printed: they alone decide the format. */
  values(dim = 0, offset = 0): Value[] {
    if (dim === this.shape.length) return [this.at(offset)];
    const stride = this.strides[dim] as number;
    return this.indexes(dim).flatMap((i) => (i === null ? [] : this.values(dim + 1, offset + i * stride)));
  }

  text(formatter: Formatter, indent: number, dim = 0, offset = 0): string {
    const rest = this.shape.length - dim;
    if (rest === 0) return formatter.format(this.at(offset));
    if (rest === 1) return this.row(formatter, indent, dim, offset);
    const stride = this.strides[dim] as number;
    const parts = this.indexes(dim).map((i) =>
      i === null ? "..." : this.text(formatter, indent + 1, dim + 1, offset + i * stride),
    );
    return `[${parts.join(`,${"\n".repeat(rest - 1)}${" ".repeat(indent + 1)}`)}]`;
  }

  private row(formatter: Formatter, indent: number, dim: number, offset: number): string {
    const items = this.indexes(dim).map((i) => (i === null ? " ..." : formatter.format(this.at(offset + i))));
    const perLine = Math.max(1, Math.floor((this.options.linewidth - indent) / (formatter.width + 2)));
    const lines: string[] = [];
    for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(", "));
    return `[${lines.join(`,\n${" ".repeat(indent + 1)}`)}]`;
  }
}

/** Appends ", suffix", on a new line where it would pass the line width. */
function withSuffixes(text: string, suffixes: string[], indent: number, linewidth: number): string {
  let out = text;
  let column = text.length - text.lastIndexOf("\n") + 1;
  for (const suffix of suffixes) {
    if (column + suffix.length + 2 > linewidth) {
      out += `,\n${" ".repeat(indent)}${suffix}`;
      column = indent + suffix.length;
    } else {
      out += `, ${suffix}`;
      column += suffix.length + 2;
    }
  }
  return `${out})`;
}

/**
 * The text of a tensor, `data` in row-major order. The dtype is shown where the values do not tell it: everything
 * but the default dtype, int64 and bool; in an empty tensor everything but the default.
 */
export function formatTensor(
  data: ArrayLike<number | bigint | boolean>,
  shape: readonly number[],
  dtype: string,
  options: FormatOptions = {},
): string {
  const { requiresGrad = false, gradFn, defaultDtype = "float32", ...given } = options;
  const print: PrintOptions = { ...current, ...given };
  const prefix = "tensor(";
  const count = shape.reduce((a, b) => a * b, 1);
  const suffixes: string[] = [];
  let body = "[]";
  if (count === 0) {
    if (shape.length !== 1) suffixes.push(`size=(${shape.join(", ")})`);
    if (dtype !== defaultDtype) suffixes.push(`dtype=${dtype}`);
  } else {
    if (dtype !== defaultDtype && dtype !== "int64" && dtype !== "bool") suffixes.push(`dtype=${dtype}`);
    const layout = new Layout(data, shape, count > print.threshold, print);
    body = layout.text(formatterOf(layout.values(), dtype, print), prefix.length);
  }
  if (gradFn !== undefined) suffixes.push(`gradFn=<${gradFn}>`);
  else if (requiresGrad) suffixes.push("requiresGrad=true");
  return withSuffixes(prefix + body, suffixes, prefix.length, print.linewidth);
}
