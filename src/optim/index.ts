/** The optimizers' door. */
export { Adadelta, type AdadeltaOptions, type AdadeltaState } from "./adadelta.js";
export { Adafactor, type AdafactorOptions, type AdafactorState } from "./adafactor.js";
export { Adagrad, type AdagradOptions, type AdagradState } from "./adagrad.js";
export { Adam, type AdamOptions, type AdamState, AdamW } from "./adam.js";
export { Adamax, type AdamaxOptions, type AdamaxState } from "./adamax.js";
export { ASGD, type ASGDOptions, type ASGDState } from "./asgd.js";
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
  type Nothing,
  registerOptimizerStepPostHook,
  registerOptimizerStepPreHook,
  type StateDictPostHook,
  type StateDictPreHook,
  type StateHookOptions,
  type StepArgs,
  type StepPostHook,
  type StepPreHook,
} from "./hooks.js";
export { LBFGS, type LBFGSOptions, type LBFGSState } from "./lbfgs.js";
export * as lrScheduler from "./lrScheduler/index.js";
export { Muon, type MuonOptions, type MuonState } from "./muon.js";
export { NAdam, type NAdamOptions, type NAdamState } from "./nadam.js";
export {
  Optimizer,
  type OptimizerStateDict,
  type ParamState,
  type SavedState,
  type StateValue,
} from "./optimizer.js";
export { RAdam, type RAdamOptions, type RAdamState } from "./radam.js";
export { RMSprop, type RMSpropOptions, type RMSpropState } from "./rmsprop.js";
export { Rprop, type RpropOptions, type RpropState } from "./rprop.js";
export { SGD, type SGDOptions, type SGDState } from "./sgd.js";
export * as swaUtils from "./swaUtils.js";
