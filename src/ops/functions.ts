/** Op functions that are not methods: their first argument is no tensor, or the method takes other arguments. */
export { nativeBatchNorm } from "./batchNorm.js";
export { cartesianProd, combinations, meshgrid } from "./combine.js";
export { isin } from "./compare.js";
export { asarray, asTensor } from "./convert.js";
export { cumulativeTrapezoid, gradient, trapezoid, trapz } from "./differences.js";
export { atleast1d, atleast2d, atleast3d, broadcastTensors } from "./dims.js";
export { cdist, pdist } from "./distances.js";
export { einsum } from "./einsum.js";
export { resultType } from "./facts.js";
export { polygamma } from "./gamma.js";
export { histogramdd } from "./histogram.js";
export { fill } from "./inPlace.js";
export {
  blockDiag,
  cat,
  columnStack,
  concat,
  concatenate,
  dstack,
  hstack,
  rowStack,
  stack,
  vstack,
} from "./join.js";
export { nativeLayerNorm } from "./layerNorm.js";
export { chainMatmul } from "./linalg/powers.js";
export { whereOrNonzero as where } from "./masked.js";
export { constantPadNd } from "./pad.js";
export { tensordot, vander } from "./products.js";
export { binomial, normal, poisson } from "./random.js";
export { bucketize, searchsorted } from "./search.js";
export { segmentReduce } from "./segments.js";
export { stdMean, varMean } from "./statistics.js";
