/**
 * safetensors: the format in which checkpoints pass between PyTorch and Kindling.
 * Eight bytes of header length, a JSON header, then the tensors' bytes. Source: the safetensors specification.
 */

import {
  BOOL,
  type DTypeCode,
  FLOAT32,
  FLOAT64,
  INT32,
  INT64,
  SIZES,
  type TypedArray,
  UINT8,
} from "../tensor/dtype.js";
import { DTypeError, KindlingError } from "../tensor/errors.js";
import { nextOp } from "../tensor/heap.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { fromTyped, toTyped } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { readBytes, writeBytes } from "./files.js";

const NAMES = ["BOOL", "U8", "I32", "I64", "F32", "F64"] as const;
const CODES: Readonly<Record<string, DTypeCode>> = {
  BOOL,
  U8: UINT8,
  I32: INT32,
  I64: INT64,
  F32: FLOAT32,
  F64: FLOAT64,
};
/** Types that Kindling reads by widening. */
const WIDENED: Readonly<Record<string, number>> = { F16: 2, BF16: 2, I8: 1, I16: 2 };
const MAX_HEADER = 100_000_000;

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

function fail(what: string): KindlingError {
  return new KindlingError(`[safetensors] ${what}`);
}

function bytesOf(t: Tensor): Uint8Array {
  nextOp();
  const flat = toTyped(t);
  return new Uint8Array(flat.buffer, flat.byteOffset, flat.byteLength);
}

const SAVE_OPTIONS: OptionNames<{ metadata?: Record<string, string> }> = { metadata: 1 };

/**
 * The bytes of a safetensors file with these tensors (keys sorted by size of type, then name, as the format wants).
 * Source: `safetensors.torch.save`.
 */
export function save(
  tensors: Readonly<Record<string, Tensor>>,
  options: { metadata?: Record<string, string> } = {},
): Uint8Array {
  checkOptions("save", options, SAVE_OPTIONS);
  for (const [name, t] of Object.entries(tensors)) {
    if (!(t instanceof Tensor))
      throw new DTypeError(`[safetensors] ${name}: got ${t === null ? "null" : typeof t}, expected a tensor`);
  }
  const names = Object.keys(tensors).sort((a, b) => {
    const bySize =
      (SIZES[(tensors[b] as Tensor).code] as number) - (SIZES[(tensors[a] as Tensor).code] as number);
    return bySize !== 0 ? bySize : a < b ? -1 : a > b ? 1 : 0;
  });
  const header: Record<string, Entry | Record<string, string>> = {};
  if (options.metadata !== undefined) header.__metadata__ = options.metadata;
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const name of names) {
    const t = tensors[name] as Tensor;
    const bytes = bytesOf(t);
    header[name] = {
      dtype: NAMES[t.code] as string,
      shape: [...t.shape],
      data_offsets: [end, end + bytes.length],
    };
    end += bytes.length;
    parts.push(bytes);
  }
  const text = JSON.stringify(header);
  const json = new TextEncoder().encode(text);
  const padded = Math.ceil(json.length / 8) * 8;
  const out = new Uint8Array(8 + padded + end);
  out.fill(0x20, 8, 8 + padded);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.set(json, 8);
  let at = 8 + padded;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

function widen(dtype: string, bytes: Uint8Array, n: number): { values: TypedArray; code: DTypeCode } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === "I8")
    return { values: Int32Array.from({ length: n }, (_, i) => view.getInt8(i)), code: INT32 };
  if (dtype === "I16")
    return { values: Int32Array.from({ length: n }, (_, i) => view.getInt16(2 * i, true)), code: INT32 };
  const values = new Float32Array(n);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < n; i++) {
    const half = view.getUint16(2 * i, true);
    if (dtype === "BF16") bits[i] = half << 16;
    else values[i] = halfToNumber(half);
  }
  return { values, code: FLOAT32 };
}

function read(name: string, entry: Entry, data: Uint8Array): Tensor {
  const { dtype, shape } = entry;
  const code = CODES[dtype];
  const size = code === undefined ? WIDENED[dtype] : (SIZES[code] as number);
  if (size === undefined)
    throw fail(
      `${name} has dtype ${dtype}, expected one of ${[...NAMES, ...Object.keys(WIDENED)].join(", ")}`,
    );
  const [start, end] = entry.data_offsets;
  const n = shape.reduce((a, b) => a * b, 1);
  if (!(start >= 0) || end > data.length || end - start !== n * size) {
    throw fail(
      `${name} of shape [${shape.join(", ")}] needs ${n * size} bytes: got ${start} to ${end} of ${data.length}, a file cut short`,
    );
  }
  const bytes = data.slice(start, end);
  if (code === undefined) {
    const wide = widen(dtype, bytes, n);
    return fromTyped(wide.values, shape, wide.code);
  }
  const { buffer } = bytes;
  const values: TypedArray =
    code === FLOAT32
      ? new Float32Array(buffer)
      : code === FLOAT64
        ? new Float64Array(buffer)
        : code === INT32
          ? new Int32Array(buffer)
          : code === INT64
            ? new BigInt64Array(buffer)
            : bytes;
  return fromTyped(values, shape, code);
}

/**
 * The tensors in the bytes of a safetensors file. float16 and bfloat16 become float32, int8 and int16 int32.
 * Source: `safetensors.torch.load`.
 * @throws KindlingError when the bytes are damaged; nothing is returned in part.
 */
export function load(bytes: Uint8Array): Record<string, Tensor> {
  return parse(bytes).tensors;
}

/** The `__metadata__` of a safetensors file: strings by name, none where it has none. */
export function loadMetadata(bytes: Uint8Array): Record<string, string> {
  return parse(bytes).metadata;
}

function parse(given: Uint8Array): { tensors: Record<string, Tensor>; metadata: Record<string, string> } {
  // A Node Buffer is a Uint8Array whose slice() does not copy: take its bytes as a plain one.
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  if (bytes.length < 8)
    throw fail(`got ${bytes.length} bytes, expected at least 8: not a safetensors file, or cut short`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > bytes.length)
    throw fail(
      `got ${bytes.length} bytes, expected more than the ${length} of the header: not a safetensors file, or cut short`,
    );
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.slice(8, 8 + length))) as Record<string, unknown>;
  } catch (error) {
    throw fail(`the header is no JSON: ${(error as Error).message}`);
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  const data = bytes.subarray(8 + length);
  nextOp();
  const tensors = Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [name, read(name, entry as Entry, data)]),
  );
  return { tensors, metadata: metadata as Record<string, string> };
}

/**
 * Writes tensors to a safetensors file: first to a temporary name, then in place of the old file, so that a crash
 * leaves no half of one. Source: `safetensors.torch.save_file`.
 * @example
 * const model = new nn.Linear(3, 2);
 * saveFile(model.stateDict(), "model.safetensors");
 * Object.keys(loadFile("model.safetensors")); // ["bias", "weight"]
 */
export function saveFile(
  tensors: Readonly<Record<string, Tensor>>,
  path: string,
  options: { metadata?: Record<string, string> } = {},
): void {
  checkOptions("saveFile", options, SAVE_OPTIONS);
  writeBytes("safetensors", path, save(tensors, options));
}

/** Reads the tensors of a safetensors file; see {@link load}. Source: `safetensors.torch.load_file`. */
export function loadFile(path: string): Record<string, Tensor> {
  return load(readBytes("safetensors", path));
}
