/** Derivatives of SyncBatchNorm, on threads. */
import { cases } from "./cases/syncBatchNormGradients.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/syncBatchNormGradients.ts", import.meta.url).href, cases);
