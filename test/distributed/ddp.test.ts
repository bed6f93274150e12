/** DistributedDataParallel, on threads. */

import { cases } from "./cases/ddp.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/ddp.ts", import.meta.url).href, cases);
