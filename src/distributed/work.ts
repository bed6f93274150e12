/** Handles of collectives and messages that go on while their rank does something else. */
import type { Tensor } from "../tensor/tensor.js";

/** What stands behind a Work: how to move on with it, and how to wait for it. */
export interface Pending {
  /** Moves on without waiting; true once it is over, well or not. Throws what went wrong. */
  poll(): boolean;
  /** Waits until it is over, `timeout` milliseconds at most. Throws what went wrong. */
  wait(timeout: number | undefined): void;
  /** Writes the results into their tensors, once; returns them. */
  finish(): Tensor[];
}

/**
 * A collective or message under way, from calls with `{ asyncOp: true }`, `isend` and `irecv`. It moves on whenever this
 * rank waits for anything in `kindling/distributed`, and in {@link Work.isCompleted}; its tensors get their new values
 * in {@link Work.wait}. Source: `torch.distributed.Work`.
 */
export class Work {
  #state: "pending" | "done" | "failed" = "pending";
  #error: unknown = null;
  #result: Tensor[] = [];
  readonly #pending: Pending;

  /** @internal */
  constructor(pending: Pending) {
    this.#pending = pending;
  }

  #fail(error: unknown): void {
    this.#state = "failed";
    this.#error = error;
  }

  /** Whether it is over, well or not; moves it on, but never waits. */
  isCompleted(): boolean {
    if (this.#state !== "pending") return true;
    try {
      return this.#pending.poll();
    } catch (error) {
      this.#fail(error);
      return true;
    }
  }

  /** Whether it is over and went well. */
  isSuccess(): boolean {
    return this.isCompleted() && this.#state !== "failed";
  }

  /** What went wrong; null when nothing did (so far). */
  exception(): Error | null {
    this.isCompleted();
    if (this.#state !== "failed") return null;
    return this.#error instanceof Error ? this.#error : new Error(String(this.#error));
  }

  /**
   * Waits until it is over; afterwards the tensors have their new values. Returns true, as PyTorch's does.
   * @param timeout Milliseconds to wait; the group's own when left out.
   * @throws DistError when it failed or did not end in time.
   */
  wait(timeout?: number): true {
    if (this.#state === "failed") throw this.#error;
    if (this.#state === "pending") {
      try {
        this.#pending.wait(timeout);
        this.#result = this.#pending.finish();
      } catch (error) {
        this.#fail(error);
        throw error;
      }
      this.#state = "done";
    }
    return true;
  }

  /** The tensors that the collective wrote; waits for it. */
  result(): Tensor[] {
    this.wait();
    return this.#result;
  }

  /** A promise of {@link Work.result}; the event loop turns while it waits. Source: `torch.distributed.Work.get_future`. */
  async getFuture(): Promise<Tensor[]> {
    while (!this.isCompleted()) await new Promise((next) => setImmediate(next));
    return this.result();
  }
}

/** The Work of something that was over at once, or that does not concern this rank. */
export function doneWork(result: Tensor[] = []): Work {
  return new Work({ poll: () => true, wait: () => undefined, finish: () => result });
}
