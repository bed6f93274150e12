/** The registry of all ops. */
import { counting } from "./counting.js";
import { indexing } from "./indexing.js";
import { linalg } from "./linalg.js";
import { pointwise } from "./pointwise.js";
import { reductions } from "./reductions.js";
import { shapes } from "./shapes.js";
import type { Registry } from "./types.js";

export const registry: Registry = {
  ...counting,
  ...indexing,
  ...linalg,
  ...pointwise,
  ...reductions,
  ...shapes,
};
