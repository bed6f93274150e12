/** Collectives with gradients, on threads. */
import { cases } from "./cases/functional.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/functional.ts", import.meta.url).href, cases);
