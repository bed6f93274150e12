/** The collectives, on threads. */

import { cases } from "./cases/collectives.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/collectives.ts", import.meta.url).href, cases);
