/** Compares what Kindling returned with what PyTorch returned: shape and dtype exactly, floats by tolerance. */
import type { Recorded, RecordedObject, RecordedTensor } from "./cases.js";
import { isRecordedTensor } from "./cases.js";
import { decodeNumber, requireDtype } from "./decode.js";
import { isNamespace, isTensor, type Library, type TensorLike } from "./library.js";
import { NAMED_RESULTS } from "./signatures.js";

/** Passes where |got - expected| <= absolute + relative |expected|. */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** Sums and products reorder: one part in ten million of a float64. */
const FLOAT64: Tolerance = { relative: 1e-7, absolute: 1e-7 };
const FLOAT32: Tolerance = { relative: 1.3e-6, absolute: 1e-5 };
/** Long chains of float32 products, whose order is PyTorch's own. */
const FLOAT32_LONG: Tolerance = { relative: 1e-4, absolute: 1e-5 };
const LONG_CHAINS = /conv|rnn|lstm|gru|transformer|attention/i;

/** The tolerance for a dtype in the cases of `name`; integers and booleans have none. */
function toleranceOf(dtype: string, name: string): Tolerance {
  switch (dtype) {
    case "float64":
      return FLOAT64;
    case "float32":
      return LONG_CHAINS.test(name) ? FLOAT32_LONG : FLOAT32;
    default:
      return { relative: 0, absolute: 0 };
  }
}

/** Equal within the tolerance; NaN equals NaN, an infinity only itself. */
export function isClose(got: number, expected: number, tolerance: Tolerance): boolean {
  if (Object.is(got, expected) || got === expected) {
    return true;
  }
  const bound = tolerance.absolute + tolerance.relative * Math.abs(expected);
  return Number.isFinite(expected) && Math.abs(got - expected) <= bound;
}

/** Element `flat` of a row-major array as `[i, j]`. */
function indexOf(flat: number, shape: readonly number[]): string {
  const index: number[] = [];
  let rest = flat;
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${index.join(", ")}]`;
}

function compareData(
  got: TensorLike,
  expected: RecordedTensor,
  path: string,
  name: string,
): string | undefined {
  const tolerance = toleranceOf(expected.dtype, name);
  const data = got.toTypedArray();
  if (data.length !== expected.data.length) {
    return `${path}: ${data.length} elements, expected ${expected.data.length}`;
  }
  for (const [i, value] of expected.data.entries()) {
    const element = data[i] ?? Number.NaN;
    const same =
      typeof element === "bigint"
        ? element === BigInt(value)
        : isClose(element, decodeNumber(value), tolerance);
    if (!same) {
      return `${path}${indexOf(i, expected.shape)}: got ${element}, expected ${value}`;
    }
  }
  return undefined;
}

/** The first difference between a tensor and a recorded one, or undefined. */
export function compareTensor(
  library: Library,
  got: unknown,
  expected: RecordedTensor,
  path: string,
  { name, shapeOnly = false }: { name: string; shapeOnly?: boolean },
): string | undefined {
  const dtype = requireDtype(expected.dtype);
  if (!isTensor(library, got)) {
    return `${path}: got ${describe(got)}, expected a tensor [${expected.shape.join(", ")}]`;
  }
  if (got.dtype !== dtype) {
    return `${path}: dtype ${got.dtype}, expected ${dtype}`;
  }
  if (got.shape.length !== expected.shape.length || got.shape.some((size, i) => size !== expected.shape[i])) {
    return `${path}: shape [${got.shape.join(", ")}], expected [${expected.shape.join(", ")}]`;
  }
  return shapeOnly ? undefined : compareData(got, expected, path, name);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) {
    return `an array of ${value.length}`;
  }
  return isNamespace(value) ? `an object { ${Object.keys(value).slice(0, 6).join(", ")} }` : String(value);
}

/** The members of a tuple that Kindling returned as an array or as an object with PyTorch's field names. */
function membersOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) {
    return value;
  }
  if (!isNamespace(value)) {
    return undefined;
  }
  const named = NAMED_RESULTS.filter((fields) => fields.every((field) => field in value));
  const fields = named.sort((a, b) => b.length - a.length)[0];
  return fields ? fields.map((field) => value[field]) : Object.values(value);
}

/** Names of the parts of a recorded tuple, list, dict or packed sequence. */
function expectedMembers(expected: Recorded): readonly Recorded[] | undefined {
  if (Array.isArray(expected)) {
    return expected;
  }
  if (typeof expected !== "object" || expected === null) {
    return undefined;
  }
  const object = expected as RecordedObject;
  switch (object.$) {
    case "tuple":
      return object.items as readonly Recorded[];
    case "packed_sequence":
      return [object.data, object.batch_sizes, object.sorted_indices, object.unsorted_indices].map(
        (field) => field ?? null,
      );
    case undefined:
      return Object.values(object).map((field) => field ?? null);
    default:
      return undefined;
  }
}

/** A tensor of the output, and what was expected in its place. */
export interface OutputLeaf {
  readonly path: string;
  readonly got: unknown;
  readonly expected: RecordedTensor;
}

/** Walks the recorded output and the returned one side by side: tensor leaves, or the first other difference. */
export function pairOutputs(
  got: unknown,
  expected: Recorded,
  path: string,
  leaves: OutputLeaf[],
): string | undefined {
  if (isRecordedTensor(expected)) {
    leaves.push({ path, got, expected });
    return undefined;
  }
  const members = expectedMembers(expected);
  if (members) {
    const parts = membersOf(got);
    if (parts?.length !== members.length) {
      return `${path}: got ${describe(got)}, expected ${members.length} parts`;
    }
    for (const [i, member] of members.entries()) {
      const difference = pairOutputs(parts[i], member, `${path}.${i}`, leaves);
      if (difference) {
        return difference;
      }
    }
    return undefined;
  }
  return compareScalar(got, expected, path);
}

function compareScalar(got: unknown, expected: Recorded, path: string): string | undefined {
  if (expected === null) {
    return got === null || got === undefined ? undefined : `${path}: got ${describe(got)}, expected null`;
  }
  const tagged = typeof expected === "object" ? (expected as RecordedObject).value : expected;
  const same =
    typeof tagged === "number" || typeof expected === "object"
      ? typeof got === "number" && isClose(got, decodeNumber(tagged as number | string), FLOAT64)
      : got === tagged;
  return same ? undefined : `${path}: got ${describe(got)}, expected ${String(tagged)}`;
}
