/** Uneven inputs, on threads. */

import { cases } from "./cases/join.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/join.ts", import.meta.url).href, cases);
