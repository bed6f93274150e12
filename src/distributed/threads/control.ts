/**
 * Words that the ranks of a threads world share: who sleeps, who has ended, what went wrong first. The launcher makes
 * them; ranks and launcher write into them.
 */

const LINE = 16; // words of a cache line, so that ranks do not slow each other down
const FAILED = 0;
const TEXT_LENGTH = 1;
const FIRST_RANK = 16 * LINE;
const BELL = 0;
const SLEEPING = 1;
const MAIL = 2;
const ENDED = 3;
const TEXT_BYTES = 960;
const TEXT = 64; // byte address

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The shared words of one world of ranks. */
export class WorldControl {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;

  constructor(
    readonly buffer: SharedArrayBuffer,
    readonly size: number,
  ) {
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
  }

  /** Words for a world of so many ranks. */
  static create(size: number): WorldControl {
    return new WorldControl(new SharedArrayBuffer((FIRST_RANK + size * LINE) * 4), size);
  }

  private at(rank: number, word: number): number {
    return FIRST_RANK + rank * LINE + word;
  }

  /**
   * Says that a rank is gone, and why; the first to say so is believed. Wakes everybody. The rank itself says it, and the
   * launcher once its thread has ended, who completes what the rank could not.
   */
  fail(rank: number, reason: string): void {
    const writing = -(rank + 1);
    const before = Atomics.compareExchange(this.words, FAILED, 0, writing);
    if (before !== 0 && before !== writing) return;
    const text = encoder.encode(reason).slice(0, TEXT_BYTES);
    this.bytes.set(text, TEXT);
    this.words[TEXT_LENGTH] = text.length;
    Atomics.store(this.words, FAILED, rank + 1);
    this.ringAll();
  }

  /** The rank that failed first; null while none has. */
  failedRank(): number | null {
    const rank = Atomics.load(this.words, FAILED) - 1;
    return rank < 0 ? null : rank;
  }

  /** Why the first rank failed. */
  reason(): string {
    const length = this.words[TEXT_LENGTH] as number;
    return decoder.decode(this.bytes.slice(TEXT, TEXT + length));
  }

  /** Says that a rank has returned and calls nothing any more. */
  end(rank: number): void {
    Atomics.store(this.words, this.at(rank, ENDED), 1);
    this.ringAll();
  }

  /** Whether a rank has returned. */
  hasEnded(rank: number): boolean {
    return Atomics.load(this.words, this.at(rank, ENDED)) === 1;
  }

  /** Wakes a rank if it sleeps. */
  ring(rank: number): void {
    if (Atomics.load(this.words, this.at(rank, SLEEPING)) === 0) return;
    Atomics.add(this.words, this.at(rank, BELL), 1);
    Atomics.notify(this.words, this.at(rank, BELL));
  }

  private ringAll(): void {
    for (let r = 0; r < this.size; r++) {
      Atomics.add(this.words, this.at(r, BELL), 1);
      Atomics.notify(this.words, this.at(r, BELL));
    }
  }

  /** Counts a message for a rank, and wakes it. */
  post(rank: number): void {
    Atomics.add(this.words, this.at(rank, MAIL), 1);
    this.ring(rank);
  }

  /** Messages that were ever posted to a rank. */
  mail(rank: number): number {
    return Atomics.load(this.words, this.at(rank, MAIL));
  }

  /** How often a rank was woken. Read it, look whether there is anything to do, then {@link sleep} until it changes. */
  bell(rank: number): number {
    return Atomics.load(this.words, this.at(rank, BELL));
  }

  /** Whether others have to ring to be noticed. */
  setSleeping(rank: number, sleeping: boolean): void {
    Atomics.store(this.words, this.at(rank, SLEEPING), sleeping ? 1 : 0);
  }

  /** Sleeps until the bell of this rank is no longer at `bell`, or for so many milliseconds. */
  sleep(rank: number, bell: number, ms: number): void {
    Atomics.wait(this.words, this.at(rank, BELL), bell, ms);
  }
}
