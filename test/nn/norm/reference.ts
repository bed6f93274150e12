/** Batch normalization in plain TypeScript, straight from the formulas, in float64; and helpers of these tests. */
import { type nn, type Tensor, tensor } from "../../../src/index.js";

/** A tensor as numbers. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** What a layer has and how it is called. */
export interface Setting {
  readonly weight: Float64Array | null;
  readonly bias: Float64Array | null;
  readonly runningMean: Float64Array | null;
  readonly runningVar: Float64Array | null;
  /** Statistics of the batch, or the running ones. */
  readonly training: boolean;
  readonly momentum: number;
  readonly eps: number;
}

/** Everything that follows from an input, a setting and an incoming gradient. */
export interface Outcome {
  y: Float64Array;
  gx: Float64Array;
  gw: Float64Array;
  gb: Float64Array;
  runningMean: Float64Array | null;
  runningVar: Float64Array | null;
}

/** Sum with Neumaier's correction: the reference must not be the one that rounds. */
function sum(values: readonly number[]): number {
  let s = 0;
  let c = 0;
  for (const v of values) {
    const t = s + v;
    c += Math.abs(s) >= Math.abs(v) ? s - t + v : v - t + s;
    s = t;
  }
  return s + c;
}

/** Indices of the elements of each channel (dimension 1). */
function channelIndices(shape: readonly number[]): number[][] {
  const [N, C, ...rest] = shape as [number, number, ...number[]];
  const S = rest.reduce((a, b) => a * b, 1);
  return Array.from({ length: C }, (_, c) =>
    Array.from({ length: N * S }, (__, k) => (Math.floor(k / S) * C + c) * S + (k % S)),
  );
}

/** y, the gradients of sum(y g), and the running statistics afterwards. */
export function referenceBatchNorm({ shape, data }: Values, g: Float64Array, o: Setting): Outcome {
  const C = shape[1] as number;
  const out: Outcome = {
    y: new Float64Array(data.length),
    gx: new Float64Array(data.length),
    gw: new Float64Array(C),
    gb: new Float64Array(C),
    runningMean: o.runningMean?.slice() ?? null,
    runningVar: o.runningVar?.slice() ?? null,
  };
  channelIndices(shape).forEach((at, c) => {
    const n = at.length;
    const x = at.map((i) => data[i] as number);
    const grad = at.map((i) => g[i] as number);
    const mean = o.training ? sum(x) / n : (o.runningMean?.[c] as number);
    const squares = sum(x.map((v) => (v - mean) ** 2));
    const variance = o.training ? squares / n : (o.runningVar?.[c] as number);
    const r = 1 / Math.sqrt(variance + o.eps);
    const w = o.weight?.[c] ?? 1;
    const normal = x.map((v) => (v - mean) * r);
    const gb = sum(grad);
    const gw = sum(grad.map((v, k) => v * (normal[k] as number)));
    out.gb[c] = gb;
    out.gw[c] = gw;
    at.forEach((i, k) => {
      out.y[i] = (normal[k] as number) * w + (o.bias?.[c] ?? 0);
      const through = o.training ? gb / n + ((normal[k] as number) * gw) / n : 0;
      out.gx[i] = w * r * ((grad[k] as number) - through);
    });
    if (!o.training || n === 0) return;
    if (out.runningMean !== null)
      out.runningMean[c] = (1 - o.momentum) * (o.runningMean?.[c] as number) + o.momentum * mean;
    if (out.runningVar !== null) {
      out.runningVar[c] = (1 - o.momentum) * (o.runningVar?.[c] as number) + (o.momentum * squares) / (n - 1);
    }
  });
  return out;
}

/** A tensor of a dtype from numbers. */
export function from(values: Values, dtype: "float32" | "float64", requiresGrad = false): Tensor {
  const data = dtype === "float32" ? Float32Array.from(values.data) : values.data.slice();
  return tensor(data, { dtype }).reshape(values.shape).detach().requiresGrad_(requiresGrad);
}

/** The elements as float64 numbers. */
export function numbers(t: Tensor): Float64Array {
  return Float64Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);
}

/** Largest error relative to the largest expected value (absolute where all are 0). */
export function errorOf(got: Tensor, expected: ArrayLike<number>): number {
  const values = numbers(got);
  if (values.length !== expected.length) return Number.NaN;
  let worst = 0;
  let scale = 0;
  for (let i = 0; i < values.length; i++) {
    const [a, b] = [values[i] as number, expected[i] as number];
    const distance = Math.abs(a - b);
    worst = Number.isNaN(distance) ? Number.NaN : Math.max(worst, distance);
    scale = Math.max(scale, Math.abs(b));
  }
  return worst / (scale || 1);
}

/** Numbers that look random, the same for the same seed, in about [-2, 2], rounded to float32. */
export function noise(n: number, seed: number): Float64Array {
  let s = (seed * 2654435761 + 1) >>> 0;
  return Float64Array.from({ length: n }, () => {
    s = (Math.imul(s ^ (s >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.fround(((s ^ (s >>> 13)) >>> 0) / 2 ** 30 - 2);
  });
}

/** Noise of a shape, in float64. */
export function noiseOf(shape: readonly number[], seed: number): Tensor {
  return from(
    {
      shape,
      data: noise(
        shape.reduce((a, b) => a * b, 1),
        seed,
      ),
    },
    "float64",
  );
}

/** Running statistics as numbers. */
export function stateOf(bn: nn.NormBase) {
  return {
    mean: numbers(bn.runningMean as Tensor),
    variance: numbers(bn.runningVar as Tensor),
    count: bn.numBatchesTracked?.item(),
  };
}

/** Channels of [N, C, S] filled by `value(noise, channel)`. */
export function values(
  shape: readonly number[],
  value: (z: number, c: number) => number,
): { shape: readonly number[]; data: Float64Array } {
  const [N, C, ...rest] = shape as [number, number, ...number[]];
  const S = rest.reduce((a, b) => a * b, 1);
  const data = noise(N * C * S, 3).map((z, i) => value(z, Math.floor(i / S) % C));
  return { shape, data: Float64Array.from(Float32Array.from(data)) };
}
