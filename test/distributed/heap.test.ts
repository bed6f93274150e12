/** Heaps and kernel threads of ranks that are threads. */
import { cases } from "./cases/heap.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/heap.ts", import.meta.url).href, cases);
