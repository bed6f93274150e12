/**
 * Tests that need several ranks are cases: plain functions that every rank runs. A file of cases runs unchanged on
 * threads (from vitest, see `onThreads.ts`) and in the processes that mpirun starts (see {@link runCases}). Cases use
 * `node:assert`, since vitest is not there in a rank.
 *
 * The world exists already when a case runs; a case leaves no collective unfinished, destroys only groups that it made,
 * and seeds the generator itself where it draws numbers.
 */

/** One test of several ranks. */
export interface Case {
  readonly name: string;
  /** The numbers of ranks to run it with (default {@link WORLD_SIZES}). */
  readonly worldSizes?: readonly number[];
  /** What each rank does; what it throws fails the case. */
  readonly run: (rank: number, size: number) => void | Promise<void>;
}

/** The module of a file of cases. */
export interface CaseModule {
  readonly cases: readonly Case[];
}

/** World sizes of cases that do not say. */
export const WORLD_SIZES: readonly number[] = [1, 2, 3, 4];

/** Whether a case runs in worlds of so many ranks. */
export function runsWith(test: Case, size: number): boolean {
  return (test.worldSizes ?? WORLD_SIZES).includes(size);
}

/** Tells how a case went. */
export type Report = (test: Case, error: unknown) => void;

/** Runs all cases of this world's size, in order; for ranks that are processes. Stops at the first failure. */
export async function runCases(
  cases: readonly Case[],
  rank: number,
  size: number,
  report: Report,
): Promise<void> {
  for (const test of cases) {
    if (!runsWith(test, size)) continue;
    try {
      await test.run(rank, size);
    } catch (error) {
      report(test, error);
      throw error;
    }
    report(test, null);
  }
}
