/** Lookups in tables of vectors as functions. */
export { type EmbeddingOptions, embedding } from "../../ops/embedding.js";
