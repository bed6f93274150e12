/**
 * Which storages are still reachable, asked in the middle of synchronous code.
 *
 * WeakRef and FinalizationRegistry cannot say: both wait for the event loop. A WeakSet can. The garbage collector takes
 * its dead members out, those of young objects in its short collections too, and Node's `util.inspect` lists the
 * members that are left (`showHidden`). So each region has a lease in a WeakSet, which only the region's storages hold:
 * a lease that is no longer listed was found unreachable by the collector itself, and so was every storage of its region.
 * Engines without the two means (browsers) never collect: there the heap evicts.
 */
import { env, nodeProcess } from "../kernels/index.js";

/** What a lease stands for. */
export interface Leased {
  /** The last survey that found a lease on it. */
  seen: number;
  /** Its bytes when they are not in the heap. */
  readonly data: Uint8Array | null;
}

/** Held by everything that can reach a region, and by nothing else. */
export class Lease {
  readonly region: Leased;
  constructor(region: Leased) {
    this.region = region;
  }
  /** `util.inspect` calls this for each member of the WeakSet. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    listed++;
    if (this.region.seen !== survey) {
      this.region.seen = survey;
      evicted += this.region.data?.length ?? 0;
    }
    return "x";
  }
}

/** A minor collection looks at young objects only (0.04 to 0.3 ms), a major one at all (2 ms and more). */
export type Collection = "minor" | "major";

const MINOR = { type: "minor" } as const;

type Collect = (options?: { type: "minor" }) => void;

let survey = 0;
let listed = 0;
let evicted = 0;

const leases = new WeakSet<Lease>();
const none = new Lease({ seen: 0, data: null });
leases.add(none);

const inspect = nodeProcess?.getBuiltinModule?.("node:util")?.inspect;

/** Node's `gc`, which a context has that is made while V8's flag is set. */
function findCollect(): Collect | null {
  try {
    const v8 = nodeProcess?.getBuiltinModule?.("node:v8");
    const vm = nodeProcess?.getBuiltinModule?.("node:vm");
    if (v8 === undefined || vm === undefined) return null;
    // Worker threads share the flags: another one may have taken this one back in between.
    for (let attempt = 0; attempt < 5; attempt++) {
      v8.setFlagsFromString("--expose-gc");
      const gc = vm.runInNewContext("typeof gc === 'function' ? gc : null") as Collect | null;
      v8.setFlagsFromString("--no-expose-gc");
      if (gc !== null) return gc;
    }
  } catch {
    // An engine that only looks like Node.
  }
  return null;
}

/**
 * V8's settings during a minor collection: no help from other threads, since waking them takes longer than the work; and
 * no growth of the young generation, for which V8 takes it that each collection found the young generation full.
 */
const QUIET = "--no-parallel-scavenge --semi-space-growth-factor=1";
const USUAL = "--parallel-scavenge --semi-space-growth-factor=2";

/** Sets them; null where a user has set V8's young generation by hand. */
const setFlags = (() => {
  const given = [...(nodeProcess?.execArgv ?? []), env("NODE_OPTIONS") ?? ""].join(" ");
  if (/scavenge|semi.space|single.threaded|predictable/.test(given)) return null;
  const v8 = nodeProcess?.getBuiltinModule?.("node:v8");
  return v8 === undefined ? null : (flags: string) => v8.setFlagsFromString(flags);
})();

/** Lists the leases; false when the list is not complete (the stack may overflow within `inspect`). */
function listLeases(): boolean {
  listed = 0;
  evicted = 0;
  survey++;
  const text = inspect?.(leases, {
    showHidden: true,
    customInspect: true,
    maxArrayLength: null,
    breakLength: Number.POSITIVE_INFINITY,
    compact: true,
    depth: 0,
  });
  return none.region.seen === survey && text?.length === "WeakSet {  }".length + 3 * listed - 2;
}

const collect = inspect === undefined ? null : findCollect();

/** Whether reachability can be observed at all. */
export const canSurvey = collect !== null && listLeases();

/** A new lease on a region, for its storages to hold. */
export function lease(region: Leased): Lease {
  const made = new Lease(region);
  leases.add(made);
  return made;
}

/** What a survey found. */
export interface Survey {
  /** On the `seen` of every region that is reachable; a region without it, and older than the survey, is not. */
  readonly mark: number;
  /** Bytes of reachable regions outside of the heap. */
  readonly evicted: number;
}

/** Collects garbage and surveys the leases that are left; null when nothing can be said. */
export function surveyAfter(kind: Collection): Survey | null {
  if (collect === null) return null;
  try {
    if (kind === "major") collect();
    else {
      try {
        setFlags?.(QUIET);
        collect(MINOR);
      } finally {
        setFlags?.(USUAL);
      }
    }
    return listLeases() ? { mark: survey, evicted } : null;
  } catch {
    return null; // The stack may end here: whoever asks can do without an answer.
  }
}
