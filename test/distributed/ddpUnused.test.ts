/** DistributedDataParallel with parameters that are not used, and misuse of it, on threads. */

import { cases } from "./cases/ddpUnused.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/ddpUnused.ts", import.meta.url).href, cases);
