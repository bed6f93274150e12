/** The optimizers' door. */
export { Adadelta, type AdadeltaOptions } from "./adadelta.js";
export { Adafactor, type AdafactorOptions } from "./adafactor.js";
export { Adagrad, type AdagradOptions } from "./adagrad.js";
export { Adam, type AdamOptions, AdamW } from "./adam.js";
export { Adamax, type AdamaxOptions } from "./adamax.js";
export { ASGD, type ASGDOptions } from "./asgd.js";
export { EarlyStopping, type EarlyStoppingOptions, type EarlyStoppingState } from "./earlyStopping.js";
export type {
  CommonOptions,
  ImplementationOptions,
  OptionsInput,
  ParamGroup,
  ParamGroupInput,
  Params,
  ParamsInput,
  RateOptions,
} from "./groups.js";
export {
  type LoadStateDictPostHook,
  type LoadStateDictPreHook,
  registerOptimizerStepPostHook,
  registerOptimizerStepPreHook,
  type StateDictPostHook,
  type StateDictPreHook,
  type StateHookOptions,
  type StepArgs,
  type StepPostHook,
  type StepPreHook,
} from "./hooks.js";
export { LBFGS, type LBFGSOptions } from "./lbfgs.js";
export * as lrScheduler from "./lrScheduler/index.js";
export { Muon, type MuonOptions } from "./muon.js";
export { NAdam, type NAdamOptions } from "./nadam.js";
export {
  type AnyOptimizer,
  Optimizer,
  type OptimizerStateDict,
  type ParamState,
  type SavedState,
  type StateValue,
} from "./optimizer.js";
export { RAdam, type RAdamOptions } from "./radam.js";
export { RMSprop, type RMSpropOptions } from "./rmsprop.js";
export { Rprop, type RpropOptions } from "./rprop.js";
export { SGD, type SGDOptions } from "./sgd.js";
export * as swaUtils from "./swaUtils.js";
