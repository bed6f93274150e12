/** Adds the ops to Tensor as methods: `x.name(...)` is `name(x, ...)`, types included. */
import { assign } from "../autograd/inplace.js";
import type { DType } from "../tensor/dtype.js";
import type { Shape } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import * as families from "./families.js";
import { inPlaceForms } from "./inPlaceForms.js";
import * as members from "./members.js";
import type { DimOptions, ValuesAndIndices } from "./reduce.js";
import type { FamilySources, MemberSources } from "./sources.js";
import type { UniqueConsecutiveOptions, UniqueOptions, WithParts } from "./unique.js";

/** The function without its first argument. */
type Method<F> = F extends (x: infer _X, ...rest: infer R) => infer O ? (...rest: R) => O : never;

/** Methods with overloads, which a type derived from the function would lose. */
export interface OverloadedMethods {
  /** The largest element. Source: `torch.max`. */
  max(): Tensor;
  /** Elementwise larger of two tensors, as `maximum`. */
  max(other: Tensor): Tensor;
  /** The largest elements along a dimension, and where they are. */
  max(dim: number | DimOptions, options?: DimOptions): ValuesAndIndices;
  /** The smallest element. Source: `torch.min`. */
  min(): Tensor;
  /** Elementwise smaller of two tensors, as `minimum`. */
  min(other: Tensor): Tensor;
  /** The smallest elements along a dimension, and where they are. */
  min(dim: number | DimOptions, options?: DimOptions): ValuesAndIndices;
  /** The median of all elements, the lower one of two; NaN if there is one. Source: `torch.median`. */
  median(): Tensor;
  /** The medians along a dimension, and where they are. */
  median(dim: number | DimOptions, options?: DimOptions): ValuesAndIndices;
  /** The median of what is no NaN. Source: `torch.nanmedian`. */
  nanmedian(): Tensor;
  /** The medians of what is no NaN along a dimension, and where they are. */
  nanmedian(dim: number | DimOptions, options?: DimOptions): ValuesAndIndices;
  /** The distinct elements or slices in order, with inverse, counts or both. Source: `torch.unique`. */
  unique(options: UniqueOptions & WithParts): Tensor[];
  /** The distinct elements or slices in order. */
  unique(options?: UniqueOptions & { returnInverse?: false; returnCounts?: false }): Tensor;
  /** The distinct elements or slices in order, with what the options ask for. */
  unique(options?: UniqueOptions): Tensor | Tensor[];
  /** The elements or slices that differ from the one before, with inverse, counts or both. Source: `torch.unique_consecutive`. */
  uniqueConsecutive(options: UniqueConsecutiveOptions & WithParts): Tensor[];
  /** The elements or slices that differ from the one before. */
  uniqueConsecutive(
    options?: UniqueConsecutiveOptions & { returnInverse?: false; returnCounts?: false },
  ): Tensor;
  /** The elements or slices that differ from the one before, with what the options ask for. */
  uniqueConsecutive(options?: UniqueConsecutiveOptions): Tensor | Tensor[];
  /** The shape. Source: `torch.Tensor.size`. */
  size(): Shape;
  /** The size of one dimension. */
  size(dim: number): number;
  /** The strides, in elements. Source: `torch.Tensor.stride`. */
  stride(): readonly number[];
  /** The stride of one dimension. */
  stride(dim: number): number;
  /** The name of the dtype. Source: `torch.Tensor.type`. */
  type(): DType;
  /** The tensor in that dtype. */
  type(dtype: DType): Tensor;
  /** Coordinates of the elements that are not zero, one row each. Source: `torch.nonzero`. */
  nonzero(options?: { asTuple?: false }): Tensor;
  /** The same, one vector for each dimension. */
  nonzero(options: { asTuple: true }): Tensor[];
}

/** Methods whose function has another name, as it is a word of the language or has another order. */
export interface RenamedMethods {
  /** The norm over dimensions (all by default): p a number, "fro", or "nuc" for matrices. Source: `torch.norm`. */
  norm: Method<typeof families.norm>;
  /** The variance over dimensions, with `n - correction` (default 1) as divisor. Source: `torch.var`. */
  var: Method<typeof families.var>;
  /** The n-th derivative of `digamma`. Source: `torch.polygamma`. */
  polygamma: Method<typeof members.polygamma>;
  /** `x` where the condition holds, else `other`. Source: `torch.Tensor.where`. */
  where: Method<typeof members.where>;
}

/** Functions as methods: a plain mapped type over their declarations, so that their docs come along. */
type Methods<Functions, K extends keyof Functions> = { [P in K]: Method<Functions[P]> };

type Derived<Door> = Exclude<keyof Door, keyof OverloadedMethods | keyof RenamedMethods>;

/** Every op function whose first argument is a tensor, as a method. */
export type OpMethods = Methods<FamilySources, Derived<typeof families>>;

/** Functions that are methods only. */
export type MemberMethods = Methods<MemberSources, Derived<typeof members>>;

type InPlace<Functions> = {
  [K in keyof Functions]: Method<Functions[K]> extends (...rest: infer R) => Tensor
    ? (...rest: R) => Tensor
    : never;
};

/** The in-place forms: `x.name_(...)` writes `name(x, ...)` into `x` and returns it. */
export type InPlaceMethods = InPlace<typeof inPlaceForms>;

declare module "../tensor/tensor.js" {
  interface Tensor extends OpMethods, MemberMethods, OverloadedMethods, RenamedMethods, InPlaceMethods {}
}

type AnyFn = (...args: unknown[]) => unknown;

for (const [name, fn] of Object.entries({ ...families, ...members })) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...args: unknown[]) {
      return (fn as AnyFn)(this, ...args);
    },
    configurable: true,
    writable: true,
  });
}

for (const [name, fn] of Object.entries(inPlaceForms)) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...args: unknown[]) {
      return assign(name, this, () => (fn as AnyFn)(this, ...args) as Tensor);
    },
    configurable: true,
    writable: true,
  });
}
