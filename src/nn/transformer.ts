/** Transformer: stacks of encoder and decoder layers, and the whole. Source: `torch.nn.modules.transformer`. */
import { triu } from "../ops/diagonal.js";
import { full } from "../tensor/create.js";
import { ShapeError, show } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import type { Tensor } from "../tensor/tensor.js";
import { ModuleList } from "./containers.js";
import { deepCopy } from "./copy.js";
import { xavierUniform_ } from "./init.js";
import { Module } from "./module.js";
import { LayerNorm } from "./normalization.js";
import {
  type DecoderLayerCall,
  TRANSFORMER_LAYER_OPTIONS,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from "./transformerLayers.js";

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
  ...TRANSFORMER_LAYER_OPTIONS,
  dModel: 1,
  nhead: 1,
  numEncoderLayers: 1,
  numDecoderLayers: 1,
  customEncoder: 1,
  customDecoder: 1,
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
