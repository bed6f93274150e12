/** Saving and loading, on threads. */

import { cases } from "./cases/checkpoints.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/checkpoints.ts", import.meta.url).href, cases);
