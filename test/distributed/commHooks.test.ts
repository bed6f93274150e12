/** Communication hooks and averages of parameters, on threads. */

import { cases } from "./cases/commHooks.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/commHooks.ts", import.meta.url).href, cases);
