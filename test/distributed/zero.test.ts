/** The sharded optimizer, on threads. */

import { cases } from "./cases/zero.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/zero.ts", import.meta.url).href, cases);
