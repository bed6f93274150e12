/** The types of what ops take and give: options, dimensions, operands, results with several tensors. */
export type { AlphaOptions, ValueOptions } from "./arithmetic.js";
export type { Dims, RepeatInterleaveOptions, Rot90Options } from "./arrange.js";
export type { ToOptions } from "./cast.js";
export type { ClampOptions, NanToNumOptions } from "./clamp.js";
export type { CombinationsOptions, MeshgridOptions } from "./combine.js";
export type { CloseOptions, IsinOptions } from "./compare.js";
export type { AsarrayOptions } from "./convert.js";
export type { Operand, Scalar } from "./core.js";
export type { DiagonalOptions, WhichDiagonal } from "./diagonal.js";
export type { DiffOptions, GradientOptions, TrapezoidOptions } from "./differences.js";
export type { OneOrMore } from "./dims.js";
export type { CdistOptions, ComputeMode } from "./distances.js";
export type { DivOptions } from "./division.js";
export type { FillDiagonalOptions } from "./fillDiagonal.js";
export type { Frexp } from "./floatParts.js";
export type { ScatterOptions } from "./gather.js";
export type { BincountOptions, HistcOptions, Histogram, HistogramDd, HistogramOptions } from "./histogram.js";
export type { IndexPutOptions, IndexValue } from "./indexing.js";
export type { Index, IndexList } from "./indexingParse.js";
export type { JoinDim } from "./join.js";
export type { AddProductOptions } from "./matmul.js";
export type { ContractDims, CovOptions, VanderOptions } from "./products.js";
export type { Interpolation, QuantileOptions } from "./quantile.js";
export type { GeneratorOptions, MultinomialOptions } from "./random.js";
export type {
  BernoulliOptions,
  CauchyOptions,
  NormalOptions,
  RandomFillOptions,
  UniformOptions,
} from "./randomInPlace.js";
export type { NestedArray } from "./read.js";
export type { DimOptions, ValuesAndIndices } from "./reduce.js";
export type { RoundOptions } from "./rounding.js";
export type { ProdOptions, ScanOptions } from "./scan.js";
export type { IncludeSelf, ScatterReduction } from "./scatterReduce.js";
export type { SliceScatterOptions } from "./scatterViews.js";
export type { BucketizeOptions, SearchsortedOptions } from "./search.js";
export type { SegmentReduceOptions, SegmentReduction } from "./segments.js";
export type { SoftmaxOptions } from "./softmax.js";
export type { DimOr, SortOptions, TopkOptions } from "./sort.js";
export type { NormOptions, VarOptions } from "./statistics.js";
export type { DimArg, ReduceOptions, SumOptions } from "./sum.js";
export type { UniqueConsecutiveOptions, UniqueOptions, WithParts } from "./unique.js";
export type { FlattenOptions, SliceOptions } from "./view.js";
