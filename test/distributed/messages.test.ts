/** Sends, receives, objects, groups and background collectives, on threads. */
import { cases } from "./cases/messages.js";
import { onThreads } from "./onThreads.js";

onThreads(new URL("./cases/messages.ts", import.meta.url).href, cases);
