/** Softmax over many classes in clusters of falling frequency. */
import { neg } from "../ops/arithmetic.js";
import { indexAdd } from "../ops/gather.js";
import { cat } from "../ops/join.js";
import { logSoftmax } from "../ops/softmax.js";
import { INT64 } from "../tensor/dtype.js";
import { DTypeError, IndexError, ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { fromTyped, toNumbers } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";
import { ModuleList, Sequential } from "./containers.js";
import { Linear } from "./linear.js";
import { Module } from "./module.js";

/** Options of {@link AdaptiveLogSoftmaxWithLoss}. */
export interface AdaptiveOptions {
  /** Each cluster's inner size is the one before over this (default 4). */
  divValue?: number;
  /** Whether the head has a bias (default false). */
  headBias?: boolean;
}

const ADAPTIVE_OPTIONS: OptionNames<AdaptiveOptions> = { divValue: 1, headBias: 1 };

/** What the layer gives: the log-probability of each target, and the loss. */
export interface AdaptiveOutput {
  /** Log-probability of each sample's target. */
  output: Tensor;
  /** Their mean, negated. */
  loss: Tensor;
}

const vector = (values: readonly number[]): Tensor =>
  fromTyped(
    BigInt64Array.from(values, (v) => BigInt(v)),
    [values.length],
    INT64,
  );

/**
 * Efficient softmax for many classes, ordered by falling frequency (Grave et al. 2017). Classes below `cutoffs[0]` are
 * scored by the head; the others lie in clusters between the cutoffs, each with one place in the head and a smaller
 * layer of its own. Input [N, inFeatures], target [N] (or [inFeatures] and []).
 * Source: `torch.nn.AdaptiveLogSoftmaxWithLoss`.
 * @example
 * const m = new nn.AdaptiveLogSoftmaxWithLoss(16, 100, [10, 50]);
 * m(randn([4, 16]), tensor([3, 99, 20, 60])).output.shape; // [4]
 * @throws ValueError for cutoffs that are not ascending whole numbers below nClasses.
 */
export class AdaptiveLogSoftmaxWithLoss extends Module<[input: Tensor, target: Tensor], AdaptiveOutput> {
  /** Size of the last dimension of the input. */
  readonly inFeatures: number;
  /** Number of classes. */
  readonly nClasses: number;
  /** The cutoffs and the number of classes. */
  readonly cutoffs: readonly number[];
  /** Each cluster is projected to a width that is this many times smaller than the one before (default 4). */
  readonly divValue: number;
  /** Whether the head has a bias (default false). */
  readonly headBias: boolean;
  /** Scores of the frequent classes and of the clusters. */
  head: Linear;
  /** One pair of layers for each cluster: the projection and the scores of its classes. */
  tail: ModuleList<Sequential>;

  constructor(
    inFeatures: number,
    nClasses: number,
    cutoffs: readonly number[],
    options: AdaptiveOptions = {},
  ) {
    super();
    checkOptions(this._getName(), options, ADAPTIVE_OPTIONS);
    const rising = cutoffs.every(
      (c, i) => Number.isInteger(c) && c > (i === 0 ? 0 : (cutoffs[i - 1] as number)) && c < nClasses,
    );
    if (cutoffs.length === 0 || !rising) {
      throw new ValueError(
        `[AdaptiveLogSoftmaxWithLoss] cutoffs ${show(cutoffs)}: expected whole numbers, ascending, from 1 to ${nClasses - 1}`,
      );
    }
    this.inFeatures = inFeatures;
    this.nClasses = nClasses;
    this.cutoffs = [...cutoffs, nClasses];
    this.divValue = options.divValue ?? 4;
    this.headBias = options.headBias ?? false;
    const shortlist = cutoffs[0] as number;
    this.head = new Linear(inFeatures, shortlist + cutoffs.length, { bias: this.headBias });
    this.tail = new ModuleList(
      cutoffs.map((low, i) => {
        const inner = Math.floor(inFeatures / this.divValue ** (i + 1));
        const outer = (this.cutoffs[i + 1] as number) - low;
        return new Sequential(
          new Linear(inFeatures, inner, { bias: false }),
          new Linear(inner, outer, { bias: false }),
        );
      }),
    );
  }

  /** Draws new initial values. */
  resetParameters(): void {
    this.head.resetParameters();
    for (const cluster of this.tail) for (const layer of cluster) (layer as Linear).resetParameters();
  }

  forward(input: Tensor, target: Tensor): AdaptiveOutput {
    const op = "AdaptiveLogSoftmaxWithLoss";
    const single = target.shape.length === 0;
    const fits = single
      ? input.shape.length === 1
      : target.shape.length === 1 && input.shape.length === 2 && input.shape[0] === target.shape[0];
    if (!fits || input.shape[input.shape.length - 1] !== this.inFeatures) {
      throw new ShapeError(
        `[${op}] input ${show(input.shape)} and target ${show(target.shape)}: expected [N, ${this.inFeatures}] and [N], or [${this.inFeatures}] and []`,
      );
    }
    if (target.code !== INT64) {
      throw new DTypeError(
        `[${op}] targets are class indices of dtype int64, got ${target.dtype}; try target.to("int64")`,
      );
    }
    const x = single ? input.unsqueeze(0) : input;
    const classes = toNumbers(target);
    const bad = classes.findIndex((c) => c < 0 || c >= this.nClasses);
    if (bad >= 0)
      throw new IndexError(
        `[${op}] target ${classes[bad]} at index [${bad}] is out of range: expected 0 to ${this.nClasses - 1}`,
      );
    const shortlist = this.cutoffs[0] as number;
    // The cluster of each target: -1 for the head.
    const cluster = classes.map((c) => this.cutoffs.findIndex((cut) => c < cut) - 1);
    const place = classes.map((c, n) =>
      (cluster[n] as number) < 0 ? c : shortlist + (cluster[n] as number),
    );
    let output = logSoftmax(this.head(x), 1).gather(1, vector(place).unsqueeze(1)).squeeze(1);
    this.tailLayers().forEach((layer, i) => {
      const members = cluster.flatMap((k, n) => (k === i ? [n] : []));
      if (members.length === 0) return;
      const own = members.map((n) => (classes[n] as number) - (this.cutoffs[i] as number));
      const rows = vector(members);
      const logProbs = logSoftmax(layer(x.indexSelect(0, rows)), 1)
        .gather(1, vector(own).unsqueeze(1))
        .squeeze(1);
      output = indexAdd(output, 0, rows, logProbs);
    });
    if (single) output = output.squeeze(0);
    return { output, loss: neg(output).mean() };
  }

  private tailLayers(): Sequential[] {
    return [...this.tail];
  }

  /** Log-probabilities of all classes [N, nClasses] for an input [N, inFeatures]. Source: `log_prob`. */
  logProb(input: Tensor): Tensor {
    const head = logSoftmax(this.head(input), 1);
    const shortlist = this.cutoffs[0] as number;
    const parts = this.tailLayers().map((layer, i) =>
      logSoftmax(layer(input), 1).add(head.narrow(1, shortlist + i, 1)),
    );
    return cat([head.narrow(1, 0, shortlist), ...parts], 1);
  }

  /** The most probable class of each row [N]. Source: `predict`. */
  predict(input: Tensor): Tensor {
    return this.logProb(input).argmax(1);
  }
}
