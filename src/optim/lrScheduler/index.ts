/** Learning rate schedulers (`torch.optim.lr_scheduler`). */
export { ChainedScheduler, SequentialLR } from "./composite.js";
export {
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  type CosineOptions,
  type WarmRestartsOptions,
} from "./cosine.js";
export { CyclicLR, type CyclicOptions, OneCycleLR, type OneCycleOptions, type PerGroup } from "./cyclic.js";
export { type PlateauOptions, ReduceLROnPlateau } from "./plateau.js";
export {
  LRScheduler,
  type ScheduledGroup,
  type SchedulerOptions,
  type SchedulerStateDict,
} from "./scheduler.js";
export {
  ConstantLR,
  type ConstantOptions,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  type LinearOptions,
  type LrLambda,
  MultiplicativeLR,
  MultiStepLR,
  PolynomialLR,
  type PolynomialOptions,
  StepLR,
  type StepOptions,
} from "./simple.js";
