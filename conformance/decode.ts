/** Turns recorded values into what Kindling takes: tensors, arrays, numbers, indices, modules, functions. */
import { bindCall, camelCase } from "./bind.js";
import type { Recorded, RecordedCall, RecordedObject, RecordedTensor } from "./cases.js";
import { isRecordedTensor } from "./cases.js";
import { construct, type Library, resolveFunction, type TensorLike, Unsupported } from "./library.js";

/** `start:stop:step` inside an index. */
export interface SliceIndex {
  readonly slice: string;
}

/** `...` inside an index. */
export const ELLIPSIS = Symbol("...");

const UNSUPPORTED_DTYPES: Readonly<Record<string, string>> = {
  float16: "half precision",
  bfloat16: "half precision",
  int8: "8-bit signed integers",
  int16: "16-bit integers",
  complex64: "complex numbers",
  complex128: "complex numbers",
};

/** A number as JSON holds it: NaN, the infinities and integers past 2^53 come as strings. */
export function decodeNumber(value: number | string): number {
  return typeof value === "number" ? value : Number(value);
}

/** Fails as unsupported for dtypes that Kindling leaves out. */
export function requireDtype(dtype: string): string {
  const reason = UNSUPPORTED_DTYPES[dtype];
  if (reason) {
    throw new Unsupported(`dtype ${dtype} (${reason})`);
  }
  return dtype;
}

function typedData({ dtype, data }: RecordedTensor): unknown {
  switch (dtype) {
    case "float32":
      return Float32Array.from(data, decodeNumber);
    case "float64":
      return Float64Array.from(data, decodeNumber);
    case "int32":
      return Int32Array.from(data, decodeNumber);
    case "int64":
      return BigInt64Array.from(data, (value) => BigInt(value));
    default:
      return Uint8Array.from(data, decodeNumber);
  }
}

/** A recorded tensor as a tensor of the library. */
export function decodeTensor(library: Library, recorded: RecordedTensor): TensorLike {
  const dtype = requireDtype(recorded.dtype);
  const tensor = library.tensor(typedData(recorded), { dtype }).reshape([...recorded.shape]);
  return recorded.requires_grad ? tensor.requiresGrad_(true) : tensor;
}

function list(value: Recorded | undefined): readonly Recorded[] {
  if (!Array.isArray(value)) {
    throw new Error("[conformance] expected a recorded list");
  }
  return value;
}

function text(value: Recorded | undefined): string {
  if (typeof value !== "string") {
    throw new Error("[conformance] expected a recorded string");
  }
  return value;
}

/** `nn.Linear`, `torch.nn.functional.gelu` and `F.pad` by their place in Kindling. */
export function libraryPath(name: string): string {
  const parts = name
    .replace(/^torch\./, "")
    .replace(/^F\./, "nn.functional.")
    .split(".");
  const last = parts.pop() ?? "";
  return [...parts, camelCase(last)].join(".");
}

/** Decodes the values of one call and keeps its tensor leaves by path (`args.0`, `kwargs.weight`). */
export class Decoder {
  readonly leaves = new Map<string, TensorLike>();

  constructor(private readonly library: Library) {}

  /** Positional and keyword arguments. */
  call(recorded: RecordedCall): { args: unknown[]; kwargs: Record<string, unknown> } {
    const args = recorded.args.map((value, i) => this.value(value, `args.${i}`));
    const entries = Object.entries(recorded.kwargs);
    const kwargs = Object.fromEntries(
      entries.map(([key, value]) => [key, this.value(value, `kwargs.${key}`)]),
    );
    return { args, kwargs };
  }

  /** Builds a module from its recorded constructor call. */
  module(type: string, ctor: RecordedCall): unknown {
    const { args, kwargs } = this.call(ctor);
    return construct(this.library, libraryPath(type), bindCall(type, { args, kwargs }));
  }

  /** One value at a leaf path. */
  value(recorded: Recorded, path: string): unknown {
    if (isRecordedTensor(recorded)) {
      const tensor = decodeTensor(this.library, recorded);
      this.leaves.set(path, tensor);
      return tensor;
    }
    if (Array.isArray(recorded)) {
      return this.items(recorded, path);
    }
    if (typeof recorded !== "object" || recorded === null) {
      return recorded;
    }
    const object: RecordedObject = recorded as RecordedObject;
    return "$" in object ? this.tagged(object, path) : this.dict(object, path);
  }

  private items(recorded: readonly Recorded[], path: string): unknown[] {
    return recorded.map((item, i) => this.value(item, `${path}.${i}`));
  }

  private dict(recorded: RecordedObject, path: string): Record<string, unknown> {
    const entries = Object.entries(recorded);
    return Object.fromEntries(
      entries.map(([key, item]) => [key, this.value(item ?? null, `${path}.${key}`)]),
    );
  }

  private tagged(recorded: RecordedObject, path: string): unknown {
    switch (recorded.$) {
      case "tuple":
        return this.items(list(recorded.items), path);
      case "float":
      case "int":
        return decodeNumber(recorded.value as number | string);
      case "dtype":
        return requireDtype(text(recorded.name));
      case "memory_format":
      case "layout":
      case "device":
        return text(recorded.name);
      case "slice":
        return this.slice(recorded);
      case "ellipsis":
        return ELLIPSIS;
      case "fn":
        return resolveFunction(this.library, libraryPath(text(recorded.name)));
      case "module":
        return this.nestedModule(recorded);
      case "packed_sequence":
        return this.packedSequence(recorded, path);
      default:
        throw new Unsupported(`recorded value of kind ${String(recorded.$)}`);
    }
  }

  private slice({ start, stop, step }: RecordedObject): SliceIndex {
    const part = (bound: Recorded | undefined) => (typeof bound === "number" ? String(bound) : "");
    const range = `${part(start)}:${part(stop)}`;
    return { slice: typeof step === "number" ? `${range}:${step}` : range };
  }

  private nestedModule({ type, args, kwargs }: RecordedObject): unknown {
    const nested = new Decoder(this.library);
    return nested.module(text(type), {
      args: list(args),
      kwargs: (kwargs ?? {}) as RecordedCall["kwargs"],
    });
  }

  /** Its leaves are numbered in the order of PackedSequence's fields. */
  private packedSequence(recorded: RecordedObject, path: string): unknown {
    const fields = [
      recorded.data,
      recorded.batch_sizes,
      recorded.sorted_indices,
      recorded.unsorted_indices,
    ].map((field, i) => this.value(field ?? null, `${path}.${i}`));
    const [data, batch_sizes, sorted_indices, unsorted_indices] = fields;
    const call = { args: [data], kwargs: { batch_sizes, sorted_indices, unsorted_indices } };
    return construct(this.library, "nn.utils.rnn.PackedSequence", bindCall("rnn.PackedSequence", call));
  }
}
