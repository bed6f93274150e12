/** When the heap collects garbage. */

/** Milliseconds that evicting a byte takes: the copy, and the page faults of a fresh array. */
const EVICTION_MS = 0.15 / 2 ** 20;
/** Time between collections, in times of what one takes, from which they count as free. */
const RARE = 20;

/** Says when one kind of collection pays: when it is rare, or takes less time than eviction would in its place. */
export class Pace {
  /** Bytes since the last one that it might save from eviction. */
  bytes = 0;
  /** Milliseconds that one takes. */
  private ms: number;
  private last = performance.now();
  /** Doubles with each one that freed too little. */
  private patience = 1;

  /** Starts with a guess of what a collection takes, in milliseconds. */
  constructor(ms: number) {
    this.ms = ms;
  }

  /** Whether to collect now. */
  pays(): boolean {
    const price = this.ms * this.patience;
    return this.bytes * EVICTION_MS >= price || performance.now() - this.last >= RARE * price;
  }

  /** The share of the time since the last one that one now would take. */
  share(): number {
    return (this.ms * this.patience) / (performance.now() - this.last);
  }

  /** Notes a collection that began at `start` and freed `freed` bytes; returns the share of the time that these take. */
  note(start: number, freed: number): number {
    const now = performance.now();
    const share = (now - start) / (now - this.last);
    this.ms = Math.min(now - start, 2 * this.ms); // the first ones, and those that the system held up, take longer
    this.last = now;
    this.bytes = 0;
    this.patience = freed * EVICTION_MS >= this.ms ? 1 : Math.min(2 * this.patience, 16);
    return share;
  }
}
