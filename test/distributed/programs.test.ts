/** Random programs of collectives, on threads. */
import { cases } from "./cases/programs.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/programs.ts", import.meta.url).href, cases);
