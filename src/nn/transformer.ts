/** Transformer: encoder and decoder layers, stacks of them, and the whole. Source: `torch.nn.modules.transformer`. */

import { gelu, relu } from "../ops/activation.js";
import { add } from "../ops/arithmetic.js";
import { triu } from "../ops/diagonal.js";
import { full } from "../tensor/create.js";
import type { DType } from "../tensor/dtype.js";
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { ModuleList } from "./containers.js";
import { deepCopy } from "./copy.js";
import { Dropout } from "./dropout.js";
import { xavierUniform_ } from "./init.js";
import { Linear } from "./linear.js";
import { Module } from "./module.js";
import { MultiheadAttention } from "./multiheadAttention.js";
import { LayerNorm } from "./normalization.js";

/** A function or module on one tensor. */
export type Activation = (x: Tensor) => Tensor;

/** Options of the layers. */
export interface TransformerLayerOptions {
  /** Width of the feed-forward part (default 2048). */
  dimFeedforward?: number;
  /** Default 0.1. */
  dropout?: number;
  /** "relu" (default), "gelu", or a function. */
  activation?: "relu" | "gelu" | Activation;
  /** Added to the variance in the norms (default 1e-5). */
  layerNormEps?: number;
  /** (B, L, E) in place of (L, B, E) (default false). */
  batchFirst?: boolean;
  /** Norm before attention and feed-forward, not after (default false). */
  normFirst?: boolean;
  /** Whether linear layers and norms have biases (default true). */
  bias?: boolean;
  /** Element type of the parameters (default: the default float). */
  dtype?: DType;
}

const TRANSFORMER_LAYER_OPTIONS: OptionNames<TransformerLayerOptions> = {
  dimFeedforward: 1,
  dropout: 1,
  activation: 1,
  layerNormEps: 1,
  batchFirst: 1,
  normFirst: 1,
  bias: 1,
  dtype: 1,
};

function activationOf(label: string, activation: TransformerLayerOptions["activation"]): Activation {
  if (activation === undefined || activation === "relu") return relu;
  if (activation === "gelu") return (x) => gelu(x);
  if (typeof activation === "function") return (x) => activation(x);
  throw new ValueError(
    `[${label}] activation should be "relu", "gelu" or a function, got ${String(activation)}`,
  );
}

/** Masks of {@link TransformerEncoderLayer}. */
export interface EncoderLayerCall {
  /** Mask of the source, (S, S) or (B heads, S, S): true hides; floating is added. */
  srcMask?: Tensor | null;
  /** Positions of the source that are hidden from all, (B, S): true hides; floating is added. */
  srcKeyPaddingMask?: Tensor | null;
  /** Whether positions after the own one are hidden (default false). */
  isCausal?: boolean;
}

type Layers = ReturnType<typeof partsOf>;

function partsOf(label: string, dModel: number, nhead: number, o: TransformerLayerOptions) {
  const {
    dimFeedforward = 2048,
    dropout = 0.1,
    layerNormEps = 1e-5,
    batchFirst = false,
    normFirst = false,
    bias = true,
    dtype,
  } = o;
  const create = dtype === undefined ? {} : { dtype };
  return {
    attention: () => new MultiheadAttention(dModel, nhead, { dropout, batchFirst, bias, ...create }),
    linear1: () => new Linear(dModel, dimFeedforward, { bias, ...create }),
    linear2: () => new Linear(dimFeedforward, dModel, { bias, ...create }),
    norm: () => new LayerNorm([dModel], { eps: layerNormEps, bias, ...create }),
    drop: () => new Dropout(dropout),
    normFirst,
    activation: activationOf(label, o.activation),
  };
}

/** Self-attention and feed-forward, each with a residual and a norm. Source: `torch.nn.TransformerEncoderLayer`. */
export class TransformerEncoderLayer extends Module<[Tensor, EncoderLayerCall?], Tensor> {
  /** Attention of the source to itself. */
  selfAttn: MultiheadAttention;
  /** First layer of the feed-forward part, dModel to dimFeedforward. */
  linear1: Linear;
  /** Dropout between its two layers. */
  dropout: Dropout;
  /** Second layer of the feed-forward part, dimFeedforward to dModel. */
  linear2: Linear;
  /** Whether norms come before attention and feed-forward, not after (default false). */
  readonly normFirst: boolean;
  /** Norm of the attention. */
  norm1: LayerNorm;
  /** Norm of the feed-forward part. */
  norm2: LayerNorm;
  /** Dropout of the result of the attention. */
  dropout1: Dropout;
  /** Dropout of the result of the feed-forward part. */
  dropout2: Dropout;
  private readonly activate: { readonly fn: Activation };

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, TRANSFORMER_LAYER_OPTIONS);
    const parts: Layers = partsOf("TransformerEncoderLayer", dModel, nhead, options);
    this.selfAttn = parts.attention();
    this.linear1 = parts.linear1();
    this.dropout = parts.drop();
    this.linear2 = parts.linear2();
    this.normFirst = parts.normFirst;
    this.norm1 = parts.norm();
    this.norm2 = parts.norm();
    this.dropout1 = parts.drop();
    this.dropout2 = parts.drop();
    this.activate = { fn: parts.activation };
  }

  private attend(x: Tensor, o: EncoderLayerCall): Tensor {
    const [out] = this.selfAttn(x, x, x, {
      attnMask: o.srcMask ?? null,
      keyPaddingMask: o.srcKeyPaddingMask ?? null,
      needWeights: false,
      isCausal: o.isCausal ?? false,
    });
    return this.dropout1(out);
  }

  private feed(x: Tensor): Tensor {
    return this.dropout2(this.linear2(this.dropout(this.activate.fn(this.linear1(x)))));
  }

  forward(src: Tensor, options: EncoderLayerCall = {}): Tensor {
    if (this.normFirst) {
      const x = add(src, this.attend(this.norm1(src), options));
      return add(x, this.feed(this.norm2(x)));
    }
    const x = this.norm1(add(src, this.attend(src, options)));
    return this.norm2(add(x, this.feed(x)));
  }
}

/** Masks of {@link TransformerDecoderLayer}. */
export interface DecoderLayerCall {
  /** Mask of the target, (T, T) or (B heads, T, T): true hides; floating is added. */
  tgtMask?: Tensor | null;
  /** Mask of the memory, (T, S) or (B heads, T, S): true hides; floating is added. */
  memoryMask?: Tensor | null;
  /** Positions of the target that are hidden from all, (B, T): true hides; floating is added. */
  tgtKeyPaddingMask?: Tensor | null;
  /** Positions of the memory that are hidden from all, (B, S): true hides; floating is added. */
  memoryKeyPaddingMask?: Tensor | null;
  /** Whether positions of the target after the own one are hidden (default false). */
  tgtIsCausal?: boolean;
  /** Whether positions of the memory after the own one are hidden (default false). */
  memoryIsCausal?: boolean;
}

/** Self-attention, attention to the memory, feed-forward. Source: `torch.nn.TransformerDecoderLayer`. */
export class TransformerDecoderLayer extends Module<[Tensor, Tensor, DecoderLayerCall?], Tensor> {
  /** Attention of the target to itself. */
  selfAttn: MultiheadAttention;
  /** Attention of the target to the memory. */
  multiheadAttn: MultiheadAttention;
  /** First layer of the feed-forward part, dModel to dimFeedforward. */
  linear1: Linear;
  /** Dropout between its two layers. */
  dropout: Dropout;
  /** Second layer of the feed-forward part, dimFeedforward to dModel. */
  linear2: Linear;
  /** Whether norms come before attention and feed-forward, not after (default false). */
  readonly normFirst: boolean;
  /** Norm of the attention to itself. */
  norm1: LayerNorm;
  /** Norm of the attention to the memory. */
  norm2: LayerNorm;
  /** Norm of the feed-forward part. */
  norm3: LayerNorm;
  /** Dropout of the attention to itself. */
  dropout1: Dropout;
  /** Dropout of the attention to the memory. */
  dropout2: Dropout;
  /** Dropout of the feed-forward part. */
  dropout3: Dropout;
  private readonly activate: { readonly fn: Activation };

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super();
    checkOptions(this._getName(), options, TRANSFORMER_LAYER_OPTIONS);
    const parts: Layers = partsOf("TransformerDecoderLayer", dModel, nhead, options);
    this.selfAttn = parts.attention();
    this.multiheadAttn = parts.attention();
    this.linear1 = parts.linear1();
    this.dropout = parts.drop();
    this.linear2 = parts.linear2();
    this.normFirst = parts.normFirst;
    this.norm1 = parts.norm();
    this.norm2 = parts.norm();
    this.norm3 = parts.norm();
    this.dropout1 = parts.drop();
    this.dropout2 = parts.drop();
    this.dropout3 = parts.drop();
    this.activate = { fn: parts.activation };
  }

  private attend(x: Tensor, o: DecoderLayerCall): Tensor {
    const [out] = this.selfAttn(x, x, x, {
      attnMask: o.tgtMask ?? null,
      keyPaddingMask: o.tgtKeyPaddingMask ?? null,
      needWeights: false,
      isCausal: o.tgtIsCausal ?? false,
    });
    return this.dropout1(out);
  }

  private remember(x: Tensor, memory: Tensor, o: DecoderLayerCall): Tensor {
    const [out] = this.multiheadAttn(x, memory, memory, {
      attnMask: o.memoryMask ?? null,
      keyPaddingMask: o.memoryKeyPaddingMask ?? null,
      needWeights: false,
      isCausal: o.memoryIsCausal ?? false,
    });
    return this.dropout2(out);
  }

  private feed(x: Tensor): Tensor {
    return this.dropout3(this.linear2(this.dropout(this.activate.fn(this.linear1(x)))));
  }

  forward(tgt: Tensor, memory: Tensor, options: DecoderLayerCall = {}): Tensor {
    if (this.normFirst) {
      let x = add(tgt, this.attend(this.norm1(tgt), options));
      x = add(x, this.remember(this.norm2(x), memory, options));
      return add(x, this.feed(this.norm3(x)));
    }
    let x = this.norm1(add(tgt, this.attend(tgt, options)));
    x = this.norm2(add(x, this.remember(x, memory, options)));
    return this.norm3(add(x, this.feed(x)));
  }
}

/** Masks of {@link TransformerEncoder}. */
export interface EncoderCall {
  /** Mask of the source, (S, S) or (B heads, S, S): true hides; floating is added. */
  mask?: Tensor | null;
  /** Positions of the source that are hidden from all, (B, S): true hides; floating is added. */
  srcKeyPaddingMask?: Tensor | null;
  /** Whether positions after the own one are hidden (default false). */
  isCausal?: boolean;
}

const TRANSFORMER_ENCODER_OPTIONS: OptionNames<{
  norm?: Module<[Tensor], Tensor> | null;
  enableNestedTensor?: boolean;
  maskCheck?: boolean;
}> = { norm: 1, enableNestedTensor: 1, maskCheck: 1 };

/** A stack of copies of an encoder layer. Source: `torch.nn.TransformerEncoder`. */
export class TransformerEncoder extends Module<[Tensor, EncoderCall?], Tensor> {
  /** The layers, from the first to the last. */
  layers: ModuleList<TransformerEncoderLayer>;
  /** Number of layers. */
  readonly numLayers: number;
  /** Norm of the result, or null. */
  norm: Module<[Tensor], Tensor> | null;

  constructor(
    encoderLayer: TransformerEncoderLayer,
    numLayers: number,
    options: {
      norm?: Module<[Tensor], Tensor> | null;
      enableNestedTensor?: boolean;
      maskCheck?: boolean;
    } = {},
  ) {
    super();
    checkOptions(this._getName(), options, TRANSFORMER_ENCODER_OPTIONS);
    this.layers = new ModuleList(Array.from({ length: numLayers }, () => deepCopy(encoderLayer)));
    this.numLayers = numLayers;
    this.norm = options.norm ?? null;
  }

  forward(src: Tensor, options: EncoderCall = {}): Tensor {
    let x = src;
    const call = {
      srcMask: options.mask ?? null,
      srcKeyPaddingMask: options.srcKeyPaddingMask ?? null,
      isCausal: options.isCausal ?? false,
    };
    for (const layer of this.layers) x = layer(x, call);
    return this.norm === null ? x : this.norm(x);
  }
}

const TRANSFORMER_DECODER_OPTIONS: OptionNames<{ norm?: Module<[Tensor], Tensor> | null }> = { norm: 1 };

/** A stack of copies of a decoder layer. Source: `torch.nn.TransformerDecoder`. */
export class TransformerDecoder extends Module<[Tensor, Tensor, DecoderLayerCall?], Tensor> {
  /** The layers, from the first to the last. */
  layers: ModuleList<TransformerDecoderLayer>;
  /** Number of layers. */
  readonly numLayers: number;
  /** Norm of the result, or null. */
  norm: Module<[Tensor], Tensor> | null;

  constructor(
    decoderLayer: TransformerDecoderLayer,
    numLayers: number,
    options: { norm?: Module<[Tensor], Tensor> | null } = {},
  ) {
    super();
    checkOptions(this._getName(), options, TRANSFORMER_DECODER_OPTIONS);
    this.layers = new ModuleList(Array.from({ length: numLayers }, () => deepCopy(decoderLayer)));
    this.numLayers = numLayers;
    this.norm = options.norm ?? null;
  }

  forward(tgt: Tensor, memory: Tensor, options: DecoderLayerCall = {}): Tensor {
    let x = tgt;
    for (const layer of this.layers) x = layer(x, memory, options);
    return this.norm === null ? x : this.norm(x);
  }
}

/** Options of {@link Transformer}. */
export interface TransformerOptions extends TransformerLayerOptions {
  /** Default 512. */
  dModel?: number;
  /** Default 8. */
  nhead?: number;
  /** Default 6. */
  numEncoderLayers?: number;
  /** Default 6. */
  numDecoderLayers?: number;
  /** Encoder in place of the standard one. */
  customEncoder?: Module<[Tensor, EncoderCall?], Tensor> | null;
  /** Decoder in place of the standard one. */
  customDecoder?: Module<[Tensor, Tensor, DecoderLayerCall?], Tensor> | null;
}

const TRANSFORMER_OPTIONS: OptionNames<TransformerOptions> = {
  dModel: 1,
  nhead: 1,
  numEncoderLayers: 1,
  numDecoderLayers: 1,
  customEncoder: 1,
  customDecoder: 1,
  dimFeedforward: 1,
  dropout: 1,
  activation: 1,
  layerNormEps: 1,
  batchFirst: 1,
  normFirst: 1,
  bias: 1,
  dtype: 1,
};

/** Masks of {@link Transformer}. */
export interface TransformerCall extends DecoderLayerCall {
  /** Mask of the source, (S, S) or (B heads, S, S): true hides; floating is added. */
  srcMask?: Tensor | null;
  /** Positions of the source that are hidden from all, (B, S): true hides; floating is added. */
  srcKeyPaddingMask?: Tensor | null;
  /** Whether positions of the source after the own one are hidden (default false). */
  srcIsCausal?: boolean;
}

/** Encoder and decoder. src (S, B, E), tgt (T, B, E); gives (T, B, E). Source: `torch.nn.Transformer`. */
export class Transformer extends Module<[Tensor, Tensor, TransformerCall?], Tensor> {
  /** What makes the memory from the source. */
  encoder: Module<[Tensor, EncoderCall?], Tensor>;
  /** What makes the output from target and memory. */
  decoder: Module<[Tensor, Tensor, DecoderLayerCall?], Tensor>;
  /** Width of source, target and output (default 512). */
  readonly dModel: number;
  /** Number of heads (default 8). */
  readonly nhead: number;
  /** Whether tensors are (B, L, E), not (L, B, E) (default false). */
  readonly batchFirst: boolean;

  constructor(options: TransformerOptions = {}) {
    super();
    checkOptions(this._getName(), options, TRANSFORMER_OPTIONS);
    const {
      dModel = 512,
      nhead = 8,
      numEncoderLayers = 6,
      numDecoderLayers = 6,
      customEncoder,
      customDecoder,
      ...layer
    } = options;
    const { layerNormEps = 1e-5, bias = true, dtype } = layer;
    const norm = () =>
      new LayerNorm([dModel], { eps: layerNormEps, bias, ...(dtype === undefined ? {} : { dtype }) });
    this.encoder =
      customEncoder ??
      new TransformerEncoder(new TransformerEncoderLayer(dModel, nhead, layer), numEncoderLayers, {
        norm: norm(),
      });
    this.decoder =
      customDecoder ??
      new TransformerDecoder(new TransformerDecoderLayer(dModel, nhead, layer), numDecoderLayers, {
        norm: norm(),
      });
    this.dModel = dModel;
    this.nhead = nhead;
    this.batchFirst = layer.batchFirst ?? false;
    for (const p of this.parameters()) if (p.ndim > 1) xavierUniform_(p);
  }

  forward(src: Tensor, tgt: Tensor, options: TransformerCall = {}): Tensor {
    const batched = src.ndim === 3;
    const at = this.batchFirst ? 0 : 1;
    if (src.ndim !== tgt.ndim || (batched && src.shape[at] !== tgt.shape[at])) {
      throw new ShapeError(
        `[Transformer] the batch number of src and tgt must be equal: got ${show(src.shape)} and ${show(tgt.shape)}`,
      );
    }
    if (src.shape.at(-1) !== this.dModel || tgt.shape.at(-1) !== this.dModel) {
      throw new ShapeError(
        `[Transformer] the feature number of src and tgt must be equal to dModel ${this.dModel}: got ${show(src.shape)} and ${show(tgt.shape)}`,
      );
    }
    const { srcMask, srcKeyPaddingMask, srcIsCausal, ...rest } = options;
    const memory = this.encoder(src, {
      mask: srcMask ?? null,
      srcKeyPaddingMask: srcKeyPaddingMask ?? null,
      isCausal: srcIsCausal ?? false,
    });
    return this.decoder(tgt, memory, rest);
  }

  /** (size, size) with -Infinity above the diagonal: added to scores, it hides later positions. */
  static generateSquareSubsequentMask(size: number): Tensor {
    return triu(full([size, size], Number.NEGATIVE_INFINITY, { dtype: "float32" }), 1);
  }
}
