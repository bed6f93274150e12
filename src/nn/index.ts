/** Layers, containers and models (`torch.nn`). */

export type { GeluApproximate } from "../ops/activation.js";
export type { WindowOptions } from "../ops/poolRaw.js";
export type { RecurrentMode } from "../ops/recurrentWalk.js";
export type { Sizes } from "../ops/spatial.js";

export {
  GELU,
  GLU,
  LogSigmoid,
  LogSoftmax,
  Mish,
  Sigmoid,
  SiLU,
  Softmax,
  Softmax2d,
  Softmin,
  Softplus,
  Softsign,
  Tanh,
  Tanhshrink,
} from "./activation.js";
export { AdaptiveLogSoftmaxWithLoss, type AdaptiveOptions, type AdaptiveOutput } from "./adaptive.js";
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveAvgPoolNd,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AdaptiveMaxPoolNd,
} from "./adaptivePooling.js";
export * as attention from "./attention/index.js";
export type { AnyModule, ModuleBase } from "./base.js";
export {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  BatchNormBase,
  LazyBatchNorm1d,
  LazyBatchNorm2d,
  LazyBatchNorm3d,
  NormBase,
  type NormLayerOptions,
} from "./batchnorm.js";
export {
  ModuleDict,
  ModuleList,
  ParameterDict,
  ParameterList,
  type Positions,
  Sequential,
} from "./containers.js";
export {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvLayerOptions,
  ConvNd,
  type ConvSettings,
  type PaddingMode,
} from "./conv.js";
export {
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeLayerOptions,
  ConvTransposeNd,
  type OutputSizeOptions,
} from "./convTranspose.js";
export { deepCopy } from "./copy.js";
export { DictContainer, type Members } from "./dictContainer.js";
export { CosineSimilarity, PairwiseDistance } from "./distance.js";
export {
  AlphaDropout,
  Dropout,
  Dropout1d,
  Dropout2d,
  Dropout3d,
  type DropoutLayerOptions,
  FeatureAlphaDropout,
} from "./dropout.js";
export {
  type BagArguments,
  Embedding,
  EmbeddingBag,
  type EmbeddingBagModuleOptions,
  type EmbeddingModuleOptions,
  type TableOptions,
} from "./embedding.js";
export { Flatten, type FlattenLayerOptions, Unflatten } from "./flatten.js";
export { Fold, Unfold } from "./fold.js";
export { FractionalMaxPool2d, FractionalMaxPool3d, FractionalMaxPoolNd } from "./fractionalPooling.js";
export * as functional from "./functional/index.js";
export * from "./hooks.js";
export * as init from "./init.js";
export {
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  InstanceNormBase,
  LazyInstanceNorm1d,
  LazyInstanceNorm2d,
  LazyInstanceNorm3d,
} from "./instancenorm.js";
export {
  type AnyConstructor,
  type LazyClass,
  type LazyModule,
  LazyModuleMixin,
  type LazyTarget,
} from "./lazy.js";
export {
  LazyConv1d,
  LazyConv2d,
  LazyConv3d,
  LazyConvTranspose1d,
  LazyConvTranspose2d,
  LazyConvTranspose3d,
} from "./lazyConv.js";
export { type AffineOptions, Bilinear, Identity, LazyLinear, Linear } from "./linear.js";
export { ListContainer } from "./listContainer.js";
export {
  BCELoss,
  BCEWithLogitsLoss,
  CrossEntropyLoss,
  CTCLoss,
  GaussianNLLLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  type Loss,
  MSELoss,
  NLLLoss,
  NLLLoss2d,
  PoissonNLLLoss,
  SmoothL1Loss,
  type WeightedLoss,
} from "./loss.js";
export * from "./lossMargins.js";
export { LPPool1d, LPPool2d, LPPool3d, LPPoolNd } from "./lpPooling.js";
export type { ModuleMembers, WalkOptions } from "./members.js";
export { Module } from "./module.js";
export {
  MultiheadAttention,
  type MultiheadAttentionCall,
  type MultiheadAttentionOptions,
} from "./multiheadAttention.js";
export {
  CrossMapLRN2d,
  GroupNorm,
  type GroupNormLayerOptions,
  LayerNorm,
  type LayerNormLayerOptions,
  LocalResponseNorm,
  type LocalResponseNormLayerOptions,
  RMSNorm,
  type RMSNormLayerOptions,
} from "./normalization.js";
export {
  CircularPad1d,
  CircularPad2d,
  CircularPad3d,
  ConstantPad1d,
  ConstantPad2d,
  ConstantPad3d,
  ReflectionPad1d,
  ReflectionPad2d,
  ReflectionPad3d,
  ReplicationPad1d,
  ReplicationPad2d,
  ReplicationPad3d,
  ZeroPad1d,
  ZeroPad2d,
  ZeroPad3d,
} from "./padding.js";
export { Buffer, type BufferOptions, Parameter, type ParameterOptions } from "./parameter.js";
export {
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  AvgPoolNd,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
  MaxPoolNd,
} from "./pooling.js";
export {
  CELU,
  ELU,
  Hardshrink,
  Hardsigmoid,
  Hardswish,
  Hardtanh,
  type InplaceOptions,
  LeakyReLU,
  PReLU,
  type PReLUOptions,
  ReLU,
  ReLU6,
  RReLU,
  SELU,
  Softshrink,
  Threshold,
} from "./rectifier.js";
export { GRU, LSTM, RNN } from "./rnn.js";
export { type RecurrentOptions, RNNBase, type SequenceInput, type StateArg } from "./rnnBase.js";
export { type CellOptions, GRUCell, LSTMCell, RNNCell, RNNCellBase } from "./rnnCell.js";
export {
  type IncompatibleKeys,
  type LoadStateDictOptions,
  type StateDict,
  StateDictError,
  type StateDictMetadata,
  type StateDictOptions,
  StateLoad,
} from "./stateDict.js";
export {
  type EncoderCall,
  Transformer,
  type TransformerCall,
  TransformerDecoder,
  TransformerEncoder,
  type TransformerOptions,
} from "./transformer.js";
export {
  type Activation,
  type DecoderLayerCall,
  type EncoderLayerCall,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from "./transformerLayers.js";
export type { ModuleToOptions, ModuleTree } from "./tree.js";
export {
  isLazy,
  UninitializedBuffer,
  type UninitializedOptions,
  UninitializedParameter,
} from "./uninitialized.js";
export {
  MaxUnpool1d,
  MaxUnpool2d,
  MaxUnpool3d,
  type MaxUnpoolLayerOptions,
  MaxUnpoolNd,
} from "./unpooling.js";
export * as utils from "./utils/index.js";
export {
  ChannelShuffle,
  PixelShuffle,
  PixelUnshuffle,
  Upsample,
  type UpsampleLayerOptions,
  UpsamplingBilinear2d,
  UpsamplingNearest2d,
} from "./vision.js";
