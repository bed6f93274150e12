/** Plain objects as bytes: whatever structured clone copies, and tensors anywhere in it. */
import { deserialize, serialize } from "node:v8";
import { mem } from "../kernels/index.js";
import { codeOf, type DType, type TypedArray, UINT8 } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { empty, fromTyped, ptr, toTyped } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";

const MARK = "kindling:tensor";

/** What stands for a tensor. */
interface Packed {
  readonly [MARK]: true;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly requiresGrad: boolean;
  readonly values: TypedArray;
}

/** A copy in which `change` has replaced what it knows; containers without such parts stay themselves. */
function mapped(
  value: unknown,
  change: (value: object) => unknown,
  seen = new Map<object, unknown>(),
): unknown {
  if (typeof value !== "object" || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  const changed = change(value);
  if (changed !== undefined) {
    seen.set(value, changed);
    return changed;
  }
  if (Array.isArray(value)) {
    const out: unknown[] = [];
    seen.set(value, out);
    for (const item of value) out.push(mapped(item, change, seen));
    return out;
  }
  if (value instanceof Map) {
    const out = new Map<unknown, unknown>();
    seen.set(value, out);
    for (const [k, v] of value) out.set(mapped(k, change, seen), mapped(v, change, seen));
    return out;
  }
  if (value instanceof Set) {
    const out = new Set<unknown>();
    seen.set(value, out);
    for (const v of value) out.add(mapped(v, change, seen));
    return out;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const out: Record<string, unknown> = {};
  seen.set(value, out);
  for (const [k, v] of Object.entries(value)) out[k] = mapped(v, change, seen);
  return out;
}

function pack(value: object): Packed | undefined {
  if (!(value instanceof Tensor)) return undefined;
  const { dtype, shape, requiresGrad } = value;
  return { [MARK]: true, dtype, shape: [...shape], requiresGrad, values: toTyped(value) };
}

function unpack(value: object): Tensor | undefined {
  if (!(MARK in value)) return undefined;
  const { dtype, shape, requiresGrad, values } = value as Packed;
  const t = fromTyped(values, shape, codeOf(dtype));
  t.leafRequiresGrad = requiresGrad;
  return t;
}

/** A copy with tensors in a form that structured clone copies. */
export function packTensors(value: unknown): unknown {
  return mapped(value, pack);
}

/** Undoes {@link packTensors}. */
export function unpackTensors(value: unknown): unknown {
  return mapped(value, unpack);
}

/** The bytes of a value, as a uint8 tensor. @throws ValueError when it holds functions or the like. */
export function toBytes(op: string, value: unknown): Tensor {
  let bytes: Uint8Array;
  try {
    bytes = serialize(packTensors(value));
  } catch (error) {
    throw new ValueError(
      `[${op}] the object cannot be sent: ${error instanceof Error ? error.message : String(error)}; ` +
        "expected what structured clone copies (plain objects, arrays, maps, numbers, strings, ...) or tensors",
    );
  }
  const t = empty([bytes.length], UINT8);
  mem.u8.set(bytes, ptr(t));
  return t;
}

/** The value of bytes that {@link toBytes} made: `count` of them from `first` on in a uint8 tensor. */
export function fromBytes(bytes: Tensor, first: number, count: number): unknown {
  const at = ptr(bytes) + first;
  return unpackTensors(deserialize(mem.u8.slice(at, at + count)));
}
