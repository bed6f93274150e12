/** What scripts ask about the place they run in. */
import { ValueError } from "../tensor/errors.js";
import type { Backend } from "./communicator.js";
import { isMpiAvailable } from "./mpi/backend.js";
import type { ProcessGroup } from "./processGroup.js";
import { worldOf } from "./world.js";

/**
 * Whether a backend can be used here: `"threads"` always, `"mpi"` where its library and koffi are installed; PyTorch's
 * others never. Source: `torch.distributed.is_backend_available`.
 */
export function isBackendAvailable(backend: Backend | (string & {})): boolean {
  return backend === "threads" || (backend === "mpi" && isMpiAvailable());
}

/**
 * This rank's number among those of its machine, as the environment variable LOCAL_RANK says.
 * Source: `torch.distributed.get_node_local_rank`.
 * @param fallbackRank The answer where nobody set it.
 * @throws ValueError where nobody set it and there is no other answer.
 */
export function getNodeLocalRank(fallbackRank?: number): number {
  const text = process.env.LOCAL_RANK;
  if (text !== undefined && text !== "") return Number(text);
  if (fallbackRank !== undefined) return fallbackRank;
  throw new ValueError("[getNodeLocalRank] LOCAL_RANK is not set; try npx kindling run, or a fallback rank");
}

/** The groups that always exist. Source: `torch.distributed.group`. */
export const group = {
  /** The group of all ranks. */
  get WORLD(): ProcessGroup {
    return worldOf("group.WORLD");
  },
};
