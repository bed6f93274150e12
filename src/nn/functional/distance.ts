/** Distances as functions. */
export {
  type CosineSimilarityOptions,
  cosineSimilarity,
  type PairwiseDistanceOptions,
  pairwiseDistance,
} from "../../ops/distance.js";
export { pdist } from "../../ops/distances.js";
