/** The registry of all ops. */
import { pointwise } from "./pointwise.js";
import { reductions } from "./reductions.js";
import { shapes } from "./shapes.js";
import type { Registry } from "./types.js";

export const registry: Registry = { ...pointwise, ...reductions, ...shapes };
