/**
 * The files in which the functions behind Tensor's methods are declared. A method's type is made from the declaration
 * itself, not from its re-export in families.ts, so that editors show the function's doc on the method.
 */

/** The files that families.ts re-exports from, less what only has the name of another file's method. */
export type FamilySources = typeof import("./activation.js") &
  Omit<typeof import("./arithmetic.js"), "div"> &
  typeof import("./arrange.js") &
  typeof import("./bessel.js") &
  typeof import("./cast.js") &
  typeof import("./clamp.js") &
  typeof import("./compare.js") &
  typeof import("./diagonal.js") &
  typeof import("./differences.js") &
  typeof import("./dims.js") &
  typeof import("./distances.js") &
  typeof import("./division.js") &
  typeof import("./erf.js") &
  typeof import("./exponential.js") &
  typeof import("./extrema.js") &
  typeof import("./facts.js") &
  typeof import("./floatParts.js") &
  typeof import("./gamma.js") &
  typeof import("./gather.js") &
  Omit<typeof import("./geometry.js"), "gather"> &
  typeof import("./histogram.js") &
  typeof import("./indexing.js") &
  typeof import("./linalg/cholesky.js") &
  typeof import("./linalg/determinant.js") &
  typeof import("./linalg/norms.js") &
  typeof import("./linalg/powers.js") &
  typeof import("./linalg/pseudoinverse.js") &
  typeof import("./linalg/solve.js") &
  typeof import("./logical.js") &
  typeof import("./masked.js") &
  typeof import("./matmul.js") &
  typeof import("./powers.js") &
  typeof import("./products.js") &
  typeof import("./quantile.js") &
  typeof import("./random.js") &
  typeof import("./read.js") &
  typeof import("./reduce.js") &
  typeof import("./rounding.js") &
  typeof import("./scan.js") &
  typeof import("./scatterReduce.js") &
  typeof import("./scatterViews.js") &
  typeof import("./sign.js") &
  typeof import("./softmax.js") &
  typeof import("./sort.js") &
  typeof import("./special.js") &
  typeof import("./split.js") &
  typeof import("./statistics.js") &
  typeof import("./sum.js") &
  typeof import("./take.js") &
  typeof import("./trigonometric.js") &
  typeof import("./unique.js") &
  typeof import("./view.js") &
  typeof import("./where.js");

/** The files that members.ts re-exports from. */
export type MemberSources = typeof import("./convert.js") &
  typeof import("./facts.js") &
  typeof import("./fillDiagonal.js") &
  typeof import("./gamma.js") &
  typeof import("./indexing.js") &
  typeof import("./inPlace.js") &
  typeof import("./randomInPlace.js") &
  typeof import("./viewsInPlace.js") &
  typeof import("./where.js");
