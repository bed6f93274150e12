/** The distributed door: process groups on threads and MPI, and what trains with them. */
import { joinMpi } from "./mpi/backend.js";
import { joinAlone, joinThreads } from "./threads/backend.js";
import { registerAlone, registerBackend } from "./world.js";

registerBackend("threads", joinThreads);
registerAlone(joinAlone);
registerBackend("mpi", joinMpi);

export { GradBucket } from "./buckets.js";
export {
  type DistributedCheckpointOptions,
  loadDistributedCheckpoint,
  saveDistributedCheckpoint,
} from "./checkpoint.js";
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
  type WithGroup,
} from "./collectives.js";
export {
  allReduceHook,
  type CommHook,
  noopHook,
  type PendingBucket,
  type PostLocalSGDOptions,
  PostLocalSGDState,
  postLocalSGDHook,
} from "./commHooks.js";
export type { Backend } from "./communicator.js";
export { DistributedDataParallel, type DistributedDataParallelOptions } from "./distributedDataParallel.js";
export { DistributedSampler, type DistributedSamplerOptions } from "./distributedSampler.js";
export {
  DistBackendError,
  DistError,
  type DistErrorFacts,
  DistMismatchError,
  DistTimeoutError,
  RankFailedError,
} from "./errors.js";
export type { Background, Blocking, CollectiveOptions, Outcome } from "./exchange.js";
export { getNodeLocalRank, group, isBackendAvailable } from "./facts.js";
export * as functional from "./functional.js";
export {
  JOIN_DISABLED,
  Join,
  type Joinable,
  type JoinConfig,
  type JoinHook,
  type JoinOptions,
} from "./join.js";
export type { MessageOptions } from "./messaging.js";
export {
  type ModelAverager,
  PeriodicModelAverager,
  type PeriodicModelAveragerOptions,
  PostLocalSGDOptimizer,
} from "./modelAveraging.js";
export { isMpiAvailable } from "./mpi/backend.js";
export {
  allGatherObject,
  broadcastObjectList,
  type GatherObjectOptions,
  gatherObject,
  type ObjectListOptions,
  type ObjectOptions,
  recvObjectList,
  scatterObjectList,
  sendObjectList,
} from "./objects.js";
export { OptimizerWrapper } from "./optimizerWrapper.js";
export {
  batchIsendIrecv,
  irecv,
  isend,
  P2POp,
  type PointToPointOptions,
  recv,
  send,
} from "./pointToPoint.js";
export { type PowerSGDOptions, PowerSGDState, powerSGDHook } from "./powerSGD.js";
export {
  type AllToAllSingleOptions,
  type GatherOptions,
  ProcessGroup,
  type ScatterOptions,
} from "./processGroup.js";
export { ReduceOp } from "./reduceOp.js";
export type { ReduceOptions } from "./reducingGroup.js";
export {
  type NewGroupOptions,
  newGroup,
  newSubgroups,
  newSubgroupsByEnumeration,
  type SubgroupOptions,
  type Subgroups,
  splitGroup,
} from "./subgroups.js";
export {
  type RevertSyncBatchnormOptions,
  SyncBatchNorm,
  type SyncBatchNormOptions,
} from "./syncBatchNorm.js";
export { type AbortSignalLike, type LaunchOptions, launch, type UrlLike } from "./threads/launch.js";
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
export {
  type OptimizerClass,
  ZeroRedundancyOptimizer,
  type ZeroRedundancyOptions,
} from "./zeroRedundancyOptimizer.js";
