/** Runs files of cases on threads from vitest: one world for each number of ranks, started once. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, describe, it } from "vitest";
import type { Ranks } from "../../src/distributed/threads/ranks.js";
import { type Case, runsWith, WORLD_SIZES } from "./harness.js";
import { type Built, buildForThreads } from "./threadsBuild.js";
import type { Answer, Order } from "./threadsRank.js";

/** Milliseconds that collectives wait in cases: long enough for a loaded machine, short enough for a test. */
const TIMEOUT = 20_000;

/** How ranks that run from the sources find `kindling` in them. */
export const RANK_ENV = {
  TSX_TSCONFIG_PATH: fileURLToPath(new URL("../../tsconfig.check.json", import.meta.url)),
} as const;

/** One world of threads that runs cases. */
class World {
  private ranks: Ranks | null = null;

  constructor(
    private readonly built: () => Promise<Built>,
    private readonly size: number,
  ) {}

  private async start(): Promise<Ranks> {
    const { ranks: made, entry, cases } = await this.built();
    const program = { entry, name: "default", args: [cases, TIMEOUT], prefix: "", argv: [] };
    const ranks = made.startRanks(program, { worldSize: this.size });
    await answers(ranks);
    return ranks;
  }

  /** Runs a case on all ranks. After a failure the world is ended: its ranks may be out of step. */
  async run(index: number): Promise<void> {
    this.ranks ??= await this.start();
    const { handles } = this.ranks;
    const order: Order = { run: index };
    const answered = answers(this.ranks);
    for (const { worker } of handles) worker.postMessage(order);
    try {
      await answered;
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  /** Ends all threads. */
  async end(): Promise<void> {
    const { ranks } = this;
    this.ranks = null;
    if (ranks === null) return;
    await Promise.all(ranks.handles.map(({ worker }) => worker.terminate()));
    await ranks.done;
  }
}

/** Waits for one answer of each rank; rejects with the first failure. */
async function answers({ handles }: Ranks): Promise<void> {
  const gone = new AbortController();
  const { signal } = gone;
  try {
    await Promise.all(
      handles.map(async ({ rank, worker }) => {
        const died = once(worker, "exit", { signal }).then(([code]) => {
          throw new Error(`rank ${rank} exited with code ${code}`);
        });
        const [answer] = (await Promise.race([once(worker, "message", { signal }), died])) as [Answer];
        if (answer.kind === "case" && answer.error !== null) throw new Error(`rank ${rank}: ${answer.error}`);
      }),
    );
  } finally {
    gone.abort();
  }
}

/**
 * Declares vitest tests for the cases of a file (`import.meta.resolve` or URL of the file, and its `cases`), for each
 * number of ranks.
 */
export function onThreads(
  file: string,
  cases: readonly Case[],
  sizes: readonly number[] = WORLD_SIZES,
): void {
  let building: Promise<Built> | null = null;
  const built = () => {
    building ??= buildForThreads(file);
    return building;
  };
  afterAll(async () => (await building)?.remove());
  for (const size of sizes) {
    const fitting = cases.map((test, i) => [test, i] as const).filter(([test]) => runsWith(test, size));
    if (fitting.length === 0) continue;
    describe(`on ${size} ${size === 1 ? "rank" : "ranks"}`, () => {
      const world = new World(built, size);
      afterAll(() => world.end());
      for (const [test, i] of fitting) {
        it(test.name, () => world.run(i));
      }
    });
  }
}
