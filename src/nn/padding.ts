/** Padding layers: constant, zero, reflection, replication and circular. */
import { pad } from "../ops/pad.js";
import { type Sizes, sizesOf } from "../ops/spatial.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import { showOptions, showValue } from "./print.js";

/** What padding layers share: one number for all sides, or one for each side, the last dimension first. */
export abstract class PadNd extends Module {
  /** Rows added at the sides, two numbers for each dimension, the last dimension first; negative ones cut. */
  padding: readonly number[];

  constructor(rank: number, padding: Sizes) {
    super();
    this.padding = sizesOf(this._getName(), "padding", padding, 2 * rank, Number.NEGATIVE_INFINITY);
  }

  override extraRepr(): string {
    return showValue(this.padding);
  }
}

/** What layers share that pad with a constant. */
export abstract class ConstantPadNd extends PadNd {
  /** What the border holds. */
  value: number;

  constructor(rank: number, padding: Sizes, value: number) {
    super(rank, padding);
    this.value = value;
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { value: this.value });
  }

  /** What stands between the parentheses when the module is printed. */
  override extraRepr(): string {
    const { padding, value } = this;
    return showOptions({ padding, value });
  }
}

/**
 * Adds a constant on all sides of (N, C, L) or (C, L); `padding` is one number or [left, right], and negative
 * numbers cut. Source: `torch.nn.ConstantPad1d`.
 * @example
 * new ConstantPad1d(2, 3.5)(ones([1, 1, 2])).toArray(); // [[[3.5, 3.5, 1, 1, 3.5, 3.5]]]
 */
export class ConstantPad1d extends ConstantPadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes, value: number) {
    super(1, padding, value);
  }
}

/** Adds zeros on all sides of (N, C, L) or (C, L). Source: `torch.nn.ZeroPad1d`. */
export class ZeroPad1d extends ConstantPadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(1, padding, 0);
  }

  override extraRepr(): string {
    return showValue(this.padding);
  }
}

/**
 * Adds a constant on all sides of (N, C, H, W) or (C, H, W); `padding` is one number or [left, right, top, bottom], and negative
 * numbers cut. Source: `torch.nn.ConstantPad2d`.
 */
export class ConstantPad2d extends ConstantPadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes, value: number) {
    super(2, padding, value);
  }
}

/** Adds zeros on all sides of (N, C, H, W) or (C, H, W). Source: `torch.nn.ZeroPad2d`. */
export class ZeroPad2d extends ConstantPadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(2, padding, 0);
  }

  override extraRepr(): string {
    return showValue(this.padding);
  }
}

/**
 * Adds a constant on all sides of (N, C, D, H, W) or (C, D, H, W); `padding` is one number or [left, right, top, bottom, front, back], and negative
 * numbers cut. Source: `torch.nn.ConstantPad3d`.
 */
export class ConstantPad3d extends ConstantPadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes, value: number) {
    super(3, padding, value);
  }
}

/** Adds zeros on all sides of (N, C, D, H, W) or (C, D, H, W). Source: `torch.nn.ZeroPad3d`. */
export class ZeroPad3d extends ConstantPadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(3, padding, 0);
  }

  override extraRepr(): string {
    return showValue(this.padding);
  }
}

/**
 * Adds the mirror image of the input, whose border is not repeated, on all sides of (N, C, L) or (C, L).
 * Source: `torch.nn.ReflectionPad1d`.
 * @example
 * new ReflectionPad1d(2)(tensor([[0, 1, 2, 3]])).toArray(); // [[2, 1, 0, 1, 2, 3, 2, 1]]
 */
export class ReflectionPad1d extends PadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(1, padding);
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: "reflect" });
  }
}

/**
 * Adds the mirror image of the input, whose border is not repeated, on all sides of (N, C, H, W) or (C, H, W).
 * Source: `torch.nn.ReflectionPad2d`.
 */
export class ReflectionPad2d extends PadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(2, padding);
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: "reflect" });
  }
}

/**
 * Adds the mirror image of the input, whose border is not repeated, on all sides of (N, C, D, H, W) or (C, D, H, W).
 * Source: `torch.nn.ReflectionPad3d`.
 */
export class ReflectionPad3d extends PadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(3, padding);
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: "reflect" });
  }
}

/**
 * Adds the border of the input again on all sides of (N, C, L) or (C, L).
 * Source: `torch.nn.ReplicationPad1d`.
 */
export class ReplicationPad1d extends PadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(1, padding);
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: "replicate" });
  }
}

/**
 * Adds the border of the input again on all sides of (N, C, H, W) or (C, H, W).
 * Source: `torch.nn.ReplicationPad2d`.
 */
export class ReplicationPad2d extends PadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(2, padding);
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: "replicate" });
  }
}

/**
 * Adds the border of the input again on all sides of (N, C, D, H, W) or (C, D, H, W).
 * Source: `torch.nn.ReplicationPad3d`.
 */
export class ReplicationPad3d extends PadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(3, padding);
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: "replicate" });
  }
}

/**
 * Adds the opposite end of the input on all sides of (N, C, L) or (C, L).
 * Source: `torch.nn.CircularPad1d`.
 */
export class CircularPad1d extends PadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(1, padding);
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: "circular" });
  }
}

/**
 * Adds the opposite end of the input on all sides of (N, C, H, W) or (C, H, W).
 * Source: `torch.nn.CircularPad2d`.
 */
export class CircularPad2d extends PadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(2, padding);
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: "circular" });
  }
}

/**
 * Adds the opposite end of the input on all sides of (N, C, D, H, W) or (C, D, H, W).
 * Source: `torch.nn.CircularPad3d`.
 */
export class CircularPad3d extends PadNd {
  /** @internal */ static readonly pure = true;

  constructor(padding: Sizes) {
    super(3, padding);
  }

  forward(input: Tensor): Tensor {
    return pad(input, this.padding, { mode: "circular" });
  }
}
