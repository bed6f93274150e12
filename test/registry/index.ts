/** The registry of all ops. */
import { indexing } from "./indexing.js";
import { pointwise } from "./pointwise.js";
import { reductions } from "./reductions.js";
import { shapes } from "./shapes.js";
import type { Registry } from "./types.js";

export const registry: Registry = { ...indexing, ...pointwise, ...reductions, ...shapes };
