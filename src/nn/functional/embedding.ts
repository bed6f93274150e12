/** Lookups in tables of vectors as functions. */
export { type EmbeddingOptions, embedding } from "../../ops/embedding.js";
export { type BagMode, type EmbeddingBagOptions, embeddingBag } from "../../ops/embeddingBag.js";
export { type OneHotOptions, oneHot } from "../../ops/oneHot.js";
