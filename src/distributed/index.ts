/** The distributed door: process groups on threads and MPI, and what trains with them. */
import { joinThreads } from "./threads/backend.js";
import { registerBackend } from "./world.js";

registerBackend("threads", joinThreads);

export {
  allGather,
  allGatherIntoTensor,
  allReduce,
  allReduceCoalesced,
  allToAll,
  allToAllSingle,
  barrier,
  broadcast,
  type GroupOption,
  gather,
  type MonitoredBarrierOptions,
  monitoredBarrier,
  reduce,
  reduceScatter,
  reduceScatterTensor,
  scatter,
} from "./collectives.js";
export type { Backend } from "./communicator.js";
export {
  DistBackendError,
  DistError,
  type DistErrorFacts,
  DistMismatchError,
  DistTimeoutError,
  RankFailedError,
} from "./errors.js";
export type { CollectiveOptions, Outcome } from "./exchange.js";
export type { MessageOptions } from "./messaging.js";
export {
  type AllToAllSingleOptions,
  type GatherOptions,
  ProcessGroup,
  type ReduceOptions,
  type ScatterOptions,
} from "./processGroup.js";
export { ReduceOp } from "./reduceOp.js";
export { type LaunchOptions, launch } from "./threads/launch.js";
export { Work } from "./work.js";
export {
  destroyProcessGroup,
  getBackend,
  getGlobalRank,
  getGroupRank,
  getProcessGroupRanks,
  getRank,
  getWorldSize,
  type InitOptions,
  initProcessGroup,
  isAvailable,
  isInitialized,
} from "./world.js";
