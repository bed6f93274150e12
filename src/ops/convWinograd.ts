/**
 * Convolution of images with 3 x 3 kernels by Winograd's minimal filtering: 2.25 times fewer multiplications, in float32
 * with the error of the direct sums (the maps of tiles add four numbers and halve). Source: Lavin and Gray 2015.
 */
import { kernels, mem, putInts, runAll } from "../kernels/index.js";
import { FLOAT32 } from "../tensor/dtype.js";
import { address, allocate, release } from "../tensor/heap.js";
import { enqueue, kernelTable } from "../tensor/launch.js";
import { ptr } from "../tensor/raw.js";
import { freeSlots, type Slots, takeSlots } from "../tensor/scratch.js";
import type { Tensor } from "../tensor/tensor.js";
import { type ConvGeometry, planes, planesBack, planesWeight } from "./convPlanes.js";

const KERNEL = kernelTable("winogradKernel");
const CONV = kernelTable("winograd");
const WEIGHT = kernelTable("winogradWeight");
const WEIGHT_END = kernelTable("winogradWeightEnd");

/** Multiplications of the products that are worth a call of their own: about 40 us. */
const GRAIN = 262144;
const MAX_PIECES = 16;
/** Kernels whose mapping is worth a call of its own: about 10 us. */
const KERNELS_GRAIN = 4096;
/** Most parts of the sums of a weight gradient, and the bytes that they should not exceed together. */
const MAX_PARTS = 8;
const PARTS_LIMIT = 16 * 1024 * 1024;
/** Fewest tiles in a part: below, adding up the lanes takes longer than the products. */
const PART_TILES = 128;

/** The convolution that is computed: the one asked for, or that of the gradient of its input. */
interface Plan {
  readonly channels: number;
  readonly outChannels: number;
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly padding: readonly number[];
}

function all(list: readonly number[], value: number): boolean {
  return list.every((n) => n === value);
}

/** Whether output and gradient of the input are computed this way. */
export function prefersWinograd(g: ConvGeometry, code: number): boolean {
  return (
    code === FLOAT32 &&
    g.groups === 1 &&
    g.kernel.length === 2 &&
    all(g.kernel, 3) &&
    all(g.stride, 1) &&
    all(g.dilation, 1) &&
    g.input.every((n) => n > 1) &&
    g.output.every((n) => n > 1) &&
    Math.min(g.channels, g.outChannels) > 1
  );
}

/** Whether the gradient of the weight is computed this way. */
export function prefersWinogradWeight(g: ConvGeometry, code: number): boolean {
  return prefersWinograd(g, code) && Math.min(g.channels, g.outChannels) >= 4;
}

/** The gradient of the input as a convolution of the gradient of the output. */
function backward(g: ConvGeometry): Plan {
  return {
    channels: g.outChannels,
    outChannels: g.channels,
    input: g.output,
    output: g.input,
    padding: g.padding.map((p) => 2 - p),
  };
}

const rowsOf = (p: Plan) => Math.ceil((p.output[0] as number) / 2);
const colsOf = (p: Plan) => Math.ceil((p.output[1] as number) / 2);

function descriptor(p: Plan, slots: Slots | null): number {
  const sizes = [p.channels, ...p.input, p.outChannels, ...p.output, ...p.padding];
  return putInts([...sizes, slots?.count ?? 0, slots?.bytes ?? 0]);
}

/** Calls `fn` for `pieces` nearly equal ranges of `total`, all bounds but the last multiples of `unit`. */
function ranges(total: number, pieces: number, unit: number, fn: (from: number, to: number) => void): void {
  const units = Math.ceil(total / unit);
  const bound = (i: number) => Math.min(total, Math.floor((i * units) / pieces) * unit);
  for (let i = 0; i < pieces; i++) fn(bound(i), bound(i + 1));
}

/** The mapped kernels. */
function mapKernels(w: number, p: Plan, back: boolean): { storage: ReturnType<typeof allocate>; at: number } {
  const storage = allocate(kernels.winogradKernelBytes(p.outChannels, p.channels));
  const at = address(storage);
  const pieces = Math.min(
    p.outChannels,
    MAX_PIECES,
    Math.max(1, Math.floor((p.channels * p.outChannels) / KERNELS_GRAIN)),
  );
  ranges(p.outChannels, pieces, 1, (from, to) => {
    enqueue(KERNEL, FLOAT32, w, at, p.outChannels, p.channels, from, to, back ? 1 : 0);
  });
  runAll();
  return { storage, at };
}

/** Images whose results are not all finite, cleared. */
class Flags {
  private readonly storage;
  readonly at: number;
  private readonly count: number;

  constructor(count: number) {
    this.count = count + 1;
    this.storage = allocate(4 * this.count);
    this.at = address(this.storage);
    mem.i32.fill(0, this.at / 4, this.at / 4 + this.count);
  }

  /** The flagged images as ranges, and frees the flags. */
  take(): [from: number, to: number][] {
    const found: [number, number][] = [];
    const set = (i: number) => mem.i32[this.at / 4 + i] !== 0;
    for (let i = 1; set(0) && i < this.count; i++) {
      if (!set(i)) continue;
      const last = found.at(-1);
      if (last !== undefined && last[1] === i - 1) last[1] = i;
      else found.push([i - 1, i]);
    }
    release(this.storage);
    return found;
  }
}

function convolve(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  y: Tensor,
  images: number,
  p: Plan,
  back: boolean,
): [from: number, to: number][] {
  const mapped = mapKernels(ptr(w), p, back);
  const flags = new Flags(images);
  const rows = images * rowsOf(p);
  const work = rows * colsOf(p) * 16 * p.channels * p.outChannels;
  const pieces = Math.max(1, Math.min(MAX_PIECES, rows, Math.floor(work / GRAIN)));
  const bytes = kernels.winogradScratch_f32(descriptor(p, null), Math.ceil(rows / pieces));
  const slots = takeSlots(bytes, pieces);
  const desc = descriptor(p, slots);
  const [px, pb, py] = [ptr(x), bias === null ? 0 : ptr(bias), ptr(y)];
  ranges(rows, pieces, 1, (from, to) => {
    enqueue(CONV, FLOAT32, px, mapped.at, pb, py, desc, slots.at, flags.at, from, to);
  });
  runAll(work >= 4 * GRAIN);
  freeSlots(slots);
  release(mapped.storage);
  return flags.take();
}

/** y = conv(x, w) + bias. */
export function winograd(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  y: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  // An infinity or an overflow in a tile spreads to its neighbours: such images are summed directly.
  for (const range of convolve(x, w, bias, y, images, g, false)) planes(x, w, bias, y, images, g, range);
}

/** x = transposed conv(grad, w) + bias. */
export function winogradBack(
  grad: Tensor,
  w: Tensor,
  bias: Tensor | null,
  x: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  const flagged = convolve(grad, w, bias, x, images, backward(g), true);
  for (const range of flagged) planesBack(grad, w, bias, x, images, g, range);
}

/** gw = gradient of the weight, from sums over parts of the tiles that depend on the sizes alone. */
export function winogradGradWeight(
  x: Tensor,
  grad: Tensor,
  gw: Tensor,
  images: number,
  g: ConvGeometry,
): void {
  const rows = images * rowsOf(g);
  const tiles = rows * colsOf(g);
  const work = tiles * 16 * g.channels * g.outChannels;
  const wanted = Math.max(1, Math.min(MAX_PARTS, Math.floor(work / GRAIN)));
  const one = kernels.winogradWeightSums_f32(descriptor(g, null));
  const room = Math.min(Math.floor(tiles / PART_TILES), Math.floor(PARTS_LIMIT / one), rows);
  const parts = Math.max(1, Math.min(wanted, room));
  // Where there are few tiles, output channels are shared as well: each call maps the input anew.
  const pairs = Math.ceil(g.outChannels / 2);
  const columns = Math.max(1, Math.min(Math.floor(wanted / parts), Math.floor(pairs / 4)));
  const bytes = kernels.winogradScratch_f32(descriptor(g, null), Math.ceil(rows / parts));
  const sums = allocate(one * parts);
  const flags = new Flags(1);
  const slots = takeSlots(bytes, parts * columns);
  const desc = descriptor(g, slots);
  const [px, pg, pw, at] = [ptr(x), ptr(grad), ptr(gw), address(sums)];
  let into = at;
  ranges(rows, parts, 1, (q0, q1) => {
    ranges(g.outChannels, columns, 2, (from, to) => {
      enqueue(WEIGHT, FLOAT32, px, pg, into, desc, slots.at, q0, q1, from, to);
    });
    into += one;
  });
  runAll(work >= 4 * GRAIN);
  const pieces = Math.max(1, Math.min(MAX_PIECES, Math.floor((g.channels * g.outChannels) / KERNELS_GRAIN)));
  ranges(g.outChannels, Math.min(pieces, g.outChannels), 1, (from, to) => {
    enqueue(WEIGHT_END, FLOAT32, at, parts, pw, desc, flags.at, from, to);
  });
  runAll();
  freeSlots(slots);
  release(sums);
  if (flags.take().length > 0) planesWeight(x, grad, gw, images, g, false);
}
