/**
 * What each rank tells the others at the start of a collective: what it called, on what, how often it has called so far.
 * Every rank gets all headers and compares them, so that all of them come to the same verdict.
 */
import { type DTypeCode, nameOf } from "../tensor/dtype.js";
import { show } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { HEADER_WORDS } from "./communicator.js";
import { showRanks } from "./errors.js";
import { REDUCE_OPS, type ReduceOp } from "./reduceOp.js";

/** Everything that ranks do together, in the order of the numbers in headers. */
const OPS = [
  "barrier",
  "allReduce",
  "allReduceCoalesced",
  "reduce",
  "broadcast",
  "allGather",
  "allGatherIntoTensor",
  "gather",
  "scatter",
  "reduceScatter",
  "reduceScatterTensor",
  "allToAll",
  "allToAllSingle",
  "monitoredBarrier",
  "newGroup",
  "allGatherObject",
  "gatherObject",
  "broadcastObjectList",
  "scatterObjectList",
  "send",
  "recv",
  "destroyProcessGroup",
] as const;

/** The name of something that ranks do together. */
export type OpName = (typeof OPS)[number];

const NUMBERS = new Map(OPS.map((op, i) => [op, i]));

const SEQUENCE = 0;
const OP = 1;
const CODE = 2;
const REDUCE_OP = 3;
const ROOT = 4;
/** Distinguishes calls further: a hash of what the other words do not say. */
const DETAIL = 5;
/** Bit 0: whether the ranks have to exchange their counts before data moves; above it the mark, which may differ. */
const UNEVEN = 6;
const NDIM = 7;
const SHAPE = 8;
/** Most dimensions that a header spells out; further ones go into DETAIL. */
const MAX_DIMS = HEADER_WORDS - SHAPE;

/** Numbers that ranks tell each other along with a collective: one of this rank, and after the headers those of all. */
export interface Marks {
  own: number;
  all: readonly number[];
}

/** What a rank calls. */
export interface Announcement {
  readonly op: OpName;
  /** Its dtype and shape; null where there is none. */
  readonly tensor: Tensor | null;
  readonly reduceOp?: ReduceOp;
  /** Rank in the group. */
  readonly root?: number;
  readonly uneven?: boolean;
  /** Numbers that must agree besides. */
  readonly detail?: readonly number[];
  /** A number of this rank that the others are told. */
  readonly mark?: number;
}

function hash(numbers: readonly number[], start: number): number {
  let h = start;
  for (const n of numbers) h = Math.imul(h ^ n, 0x01000193) + (n >>> 24);
  return h | 0;
}

/** Writes a header into `words`. */
export function writeHeader(words: Int32Array, sequence: number, call: Announcement): void {
  const { tensor, detail } = call;
  words[SEQUENCE] = sequence;
  words[OP] = NUMBERS.get(call.op) as number;
  words[CODE] = tensor === null ? -1 : tensor.code;
  words[REDUCE_OP] = call.reduceOp === undefined ? -1 : REDUCE_OPS.indexOf(call.reduceOp);
  words[ROOT] = call.root ?? -1;
  words[UNEVEN] = (call.uneven === true ? 1 : 0) | ((call.mark ?? 0) << 1);
  let h = detail === undefined ? 0 : hash(detail, 0x811c9dc5 | 0);
  const ndim = tensor === null ? 0 : tensor.shape.length;
  words[NDIM] = ndim;
  for (let d = 0; d < MAX_DIMS; d++)
    words[SHAPE + d] = d < ndim ? ((tensor as Tensor).shape[d] as number) : 0;
  if (ndim > MAX_DIMS) h = hash((tensor as Tensor).shape.slice(MAX_DIMS), h);
  words[DETAIL] = h;
}

/** Whether two headers fit: equal but for shapes where counts are exchanged, and for the flag that says so. */
function fits(a: Int32Array, b: Int32Array, uneven: boolean): boolean {
  for (let i = 0; i < UNEVEN; i++) if (a[i] !== b[i]) return false;
  if (uneven) return true;
  const end = SHAPE + Math.min(a[NDIM] as number, MAX_DIMS);
  for (let i = NDIM; i < end; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether some rank asks to exchange counts. */
export function isUneven(headers: readonly Int32Array[]): boolean {
  for (const header of headers) if (((header[UNEVEN] as number) & 1) === 1) return true;
  return false;
}

/** The marks of all ranks. */
export function marksOf(headers: readonly Int32Array[]): number[] {
  return headers.map((header) => (header[UNEVEN] as number) >> 1);
}

/** The call that a header speaks of, as messages print it: `allReduce(max) of float32[2, 3]`. */
export function describeHeader(words: Int32Array): string {
  const op = OPS[words[OP] as number] ?? "?";
  const reduceOp = words[REDUCE_OP] as number;
  const root = words[ROOT] as number;
  const options = [
    ...(reduceOp < 0 ? [] : [REDUCE_OPS[reduceOp] as string]),
    ...(root < 0 ? [] : [`root ${root}`]),
  ];
  const call = options.length === 0 ? op : `${op}(${options.join(", ")})`;
  return (words[CODE] as number) < 0 ? call : `${call} of ${describeContent(words)}`;
}

/** The dtype and number of elements of the tensor that a header speaks of. */
export function contentOf(words: Int32Array): { code: DTypeCode; numel: number } {
  let numel = 1;
  const dims = words[NDIM] as number;
  for (let d = 0; d < Math.min(dims, MAX_DIMS); d++) numel *= (words[SHAPE + d] as number) >>> 0;
  return { code: words[CODE] as DTypeCode, numel };
}

/** The tensor that a header speaks of, as messages print it: `float32[2, 3]`. */
export function describeContent(words: Int32Array): string {
  const shape = Array.from(words.subarray(SHAPE, SHAPE + Math.min(words[NDIM] as number, MAX_DIMS)));
  return `${nameOf(words[CODE] as number)}${show(shape.map((n) => n >>> 0))}`;
}

/** The sequence number of a header. */
function sequenceOf(words: Int32Array): number {
  return words[SEQUENCE] as number;
}

/** The ranks at odds and what each called; null when all headers fit. */
export function disagreement(
  headers: readonly Int32Array[],
  ranks: readonly number[],
): { text: string; ranks: number[] } | null {
  const first = headers[0] as Int32Array;
  const uneven = isUneven(headers);
  let same = true;
  for (let i = 1; i < headers.length; i++) same &&= fits(first, headers[i] as Int32Array, uneven);
  if (same) return null;
  const sequences = new Set(headers.map(sequenceOf));
  const calls = new Map<string, number[]>();
  headers.forEach((header, i) => {
    const number = sequences.size > 1 ? ` as call ${sequenceOf(header)}` : "";
    const key = describeHeader(header) + number;
    calls.set(key, [...(calls.get(key) ?? []), ranks[i] as number]);
  });
  const groups = [...calls].sort((a, b) => b[1].length - a[1].length);
  const odd = groups.length === 1 ? [...ranks] : groups.slice(1).flatMap(([, of]) => of);
  const text = groups.map(([call, of]) => `${showRanks(of)}: ${call}`).join("; ");
  return { text: groups.length === 1 ? `${text}, with different lists of sizes` : text, ranks: odd };
}
