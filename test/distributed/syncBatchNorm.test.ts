/** SyncBatchNorm, on threads. */
import { cases } from "./cases/syncBatchNorm.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/syncBatchNorm.ts", import.meta.url).href, cases);
