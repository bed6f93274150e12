/** How many kernel threads a rank takes when several ranks share a machine. */
import { availableParallelism, cpus } from "node:os";

/**
 * The cores of this machine divided by its ranks, at least 1; what the launcher has bound this rank to, where it did.
 * Null, for leaving things as they are, when KINDLING_THREADS says something or the launcher does not say how many
 * ranks this machine has.
 */
export function localThreads(env: NodeJS.ProcessEnv = process.env): number | null {
  if (env.KINDLING_THREADS) return null;
  const ranks = Number(env.OMPI_COMM_WORLD_LOCAL_SIZE ?? env.MPI_LOCALNRANKS);
  if (!(ranks >= 1)) return null;
  const usable = availableParallelism();
  return usable < cpus().length ? usable : Math.max(1, Math.floor(usable / ranks));
}
