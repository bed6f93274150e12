/** What the registry of layers holds; the generated suite (layers.generated.test.ts) does the rest. */
import type * as nn from "../../../src/nn/index.js";
import type { AnyModule } from "../../../src/nn/index.js";

/** A layer and arguments to call it with; both are made afresh each time, with the same values. */
export interface LayerSample {
  readonly make: () => AnyModule;
  readonly inputs: () => readonly unknown[];
  /** Checks left out for this sample, each with its reason. */
  readonly skips?: Readonly<Partial<Record<LayerCheck, string>>>;
}

/** A sample whose arguments have the types that the layer's `forward` declares. */
export function sample<A extends unknown[]>(
  make: () => AnyModule & { forward(...args: A): unknown },
  inputs: () => readonly [...A],
  skips: Readonly<Partial<Record<LayerCheck, string>>> = {},
): LayerSample {
  return { make, inputs, skips };
}

/** The checks that every layer goes through. */
export type LayerCheck =
  | "gradcheck"
  | "gradgradcheck"
  | "thirdOrder"
  | "stateDict"
  | "dtype"
  | "nonContiguous";

/** Calls and constructions that throw, by what is wrong, with a part of the message. */
export type LayerErrors = Readonly<Record<string, readonly [run: () => unknown, message: RegExp | string]>>;

/** Everything the suite knows of one layer. */
export interface LayerEntry {
  /** By what they show: options, shapes with and without a batch, an empty batch. */
  readonly samples: Readonly<Record<string, LayerSample>>;
  /** Printed text, PyTorch's in TypeScript spelling, and the layer that prints it. */
  readonly prints: Readonly<Record<string, () => AnyModule>>;
  /** Whether training changes what a call gives (default false); the suite checks that this is so. */
  readonly trainEvalDiffer?: boolean;
  /** Calls and constructions that throw, with a part of the message. */
  readonly errors?: LayerErrors;
  /** Checks left out, each with its reason. */
  readonly skips?: Readonly<Partial<Record<LayerCheck, string>>>;
  /** Relative tolerance of float32 against float64 results (default 1e-5: sums of a few roundings). */
  readonly float32?: number;
}

/** Exports of `kindling/nn` that are classes of modules. */
export type ModuleName = {
  [K in keyof typeof nn]: (typeof nn)[K] extends abstract new (...args: never[]) => AnyModule ? K : never;
}[keyof typeof nn];

const base = "abstract base: every class below it has an entry";
const container = "holds members and computes nothing; its own tests are in nn/containers.test.ts";

/** Modules without an entry, each with the reason. */
const notLayers = {
  AdaptiveAvgPoolNd: base,
  AdaptiveMaxPoolNd: base,
  AvgPoolNd: base,
  BatchNormBase: base,
  ConvNd: base,
  ConvTransposeNd: base,
  DictContainer: base,
  FractionalMaxPoolNd: base,
  InstanceNormBase: base,
  ListContainer: base,
  LPPoolNd: base,
  MaxPoolNd: base,
  MaxUnpoolNd: base,
  Module: base,
  ModuleDict: container,
  ModuleList: container,
  NormBase: base,
  ParameterDict: container,
  ParameterList: container,
  RNNBase: base,
  RNNCellBase: base,
} as const satisfies Partial<Record<ModuleName, string>>;

/** Names of all layers: leaving one out of the registry is a compile error. */
export type LayerName = Exclude<ModuleName, keyof typeof notLayers>;

/** The registry: an entry for every layer. */
export type LayerRegistry = Readonly<Record<LayerName, LayerEntry>>;
