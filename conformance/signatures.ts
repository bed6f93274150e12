/** Looks up how PyTorch declares a function: parameter names, which are optional, and their overloads. */
import { SIGNATURE_LINES } from "./signature-lines.js";

/** One parameter of a Python signature. */
export interface Parameter {
  readonly name: string;
  /** The default as Python writes it; undefined for a required parameter. */
  readonly default: string | undefined;
  /** `*name`: takes all remaining positional arguments. */
  readonly variadic: boolean;
  /** After a lone `*`: Python takes it by keyword only. */
  readonly keywordOnly: boolean;
  /** Restricts an overload to arguments of one kind: tensor, bool, array, or number (a bool counts as 0 or 1). */
  readonly kind: string | undefined;
}

/** One overload of a function or class. */
export interface Signature {
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

/**
 * Overloads and fuller signatures than the documentation's first line; they replace a line of the same name.
 * The first overload that the arguments fit is taken. `name: kind` fits arguments of that kind only.
 */
const OVERRIDES = `
torch.sum(input, dim=None, keepdim=False, *, dtype=None)
torch.nansum(input, dim=None, keepdim=False, *, dtype=None)
torch.mean(input, dim=None, keepdim=False, *, dtype=None)
torch.nanmean(input, dim=None, keepdim=False, *, dtype=None)
torch.prod(input, dim=None, keepdim=False, *, dtype=None)
torch.all(input, dim=None, keepdim=False)
torch.any(input, dim=None, keepdim=False)
torch.amax(input, dim=(), keepdim=False)
torch.amin(input, dim=(), keepdim=False)
torch.argmax(input, dim=None, keepdim=False)
torch.argmin(input, dim=None, keepdim=False)
torch.max(input, other: tensor)
torch.max(input, dim=None, keepdim=False)
torch.min(input, other: tensor)
torch.min(input, dim=None, keepdim=False)
torch.median(input, dim=None, keepdim=False)
torch.nanmedian(input, dim=None, keepdim=False)
torch.norm(input, p='fro', dim=None, keepdim=False, *, dtype=None)
torch.std(input, unbiased: bool=True)
torch.std(input, dim=None, unbiased=True, keepdim=False, *, correction=None)
torch.std_mean(input, unbiased: bool=True)
torch.std_mean(input, dim=None, unbiased=True, keepdim=False, *, correction=None)
torch.var(input, unbiased: bool=True)
torch.var(input, dim=None, unbiased=True, keepdim=False, *, correction=None)
torch.var_mean(input, unbiased: bool=True)
torch.var_mean(input, dim=None, unbiased=True, keepdim=False, *, correction=None)
torch.trapz(y, x=None, *, dx=None, dim=-1)
torch.cumsum(input, dim, *, dtype=None)
torch.cumprod(input, dim, *, dtype=None)
torch.arange(end: number)
torch.arange(start: number, end: number, step: number=1)
torch.range(start, end, step=1)
torch.randint(high, size: array)
torch.randint(low, high, size: array)
torch.randint_like(input, high)
torch.randint_like(input, low, high)
torch.true_divide(dividend, divisor)
torch.cross(input, other, dim=None)
torch.scatter(input, dim, index, src, *, reduce=None)
torch.scatter(input, dim, index, value, *, reduce=None)
torch.where(condition)
torch.where(condition, x, y)
torch.take_along_dim(input, indices, dim=None)
torch.repeat_interleave(repeats: tensor)
torch.repeat_interleave(input, repeats, dim=None, *, output_size=None)
torch.einsum(equation, *operands)
torch.atleast_1d(input: tensor)
torch.atleast_1d(*tensors)
torch.atleast_2d(input: tensor)
torch.atleast_2d(*tensors)
torch.atleast_3d(input: tensor)
torch.atleast_3d(*tensors)
torch.fill(input, value)
torch.gradient(input, *, spacing=None, dim=None, edge_order=1)
torch.polygamma(n, input)
torch.mvlgamma(input, p)
torch.igamma(input, other)
torch.igammac(input, other)
torch.constant_pad_nd(input, pad, value=0)
torch.segment_reduce(data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None)
torch.native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
torch.native_layer_norm(input, normalized_shape, weight, bias, eps)
Tensor.new_full(size, fill_value)
Tensor.new_ones(*size)
Tensor.new_zeros(*size)
Tensor.new_empty(*size)
Tensor.permute(*dims)
Tensor.reshape(*shape)
rnn.PackedSequence(data, batch_sizes=None, sorted_indices=None, unsorted_indices=None)
`;

/** What a module's call takes, where something in it is optional (classes without a line: all required). */
const FORWARD = `
nn.MultiheadAttention(query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True)
nn.Transformer(src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None)
nn.TransformerEncoder(src, mask=None, src_key_padding_mask=None)
nn.TransformerDecoder(tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None)
nn.TransformerEncoderLayer(src, src_mask=None, src_key_padding_mask=None)
nn.TransformerDecoderLayer(tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None)
nn.RNN(input, hx=None)
nn.LSTM(input, hx=None)
nn.GRU(input, hx=None)
nn.RNNCell(input, hx=None)
nn.LSTMCell(input, hx=None)
nn.GRUCell(input, hx=None)
nn.EmbeddingBag(input, offsets=None, per_sample_weights=None)
nn.ConvTranspose1d(input, output_size=None)
nn.ConvTranspose2d(input, output_size=None)
nn.ConvTranspose3d(input, output_size=None)
nn.LazyConvTranspose1d(input, output_size=None)
nn.LazyConvTranspose2d(input, output_size=None)
nn.LazyConvTranspose3d(input, output_size=None)
nn.MaxUnpool1d(input, indices, output_size=None)
nn.MaxUnpool2d(input, indices, output_size=None)
nn.MaxUnpool3d(input, indices, output_size=None)
nn.Linear(input)
`;

/** Fields of the named tuples that PyTorch returns, in its order. */
export const NAMED_RESULTS: readonly (readonly string[])[] = [
  ["values", "indices"],
  ["min", "max"],
  ["mantissa", "exponent"],
  ["sign", "logabsdet"],
  ["hist", "binEdges"],
  ["output", "loss"],
  ["eigenvalues", "eigenvectors"],
  ["U", "S", "Vh"],
  ["Q", "R"],
  ["P", "L", "U"],
  ["LU", "pivots"],
  ["LU", "pivots", "info"],
  ["LD", "pivots"],
  ["L", "info"],
  ["inverse", "info"],
  ["result", "info"],
  ["solution", "residuals", "rank", "singularValues"],
  ["data", "batchSizes", "sortedIndices", "unsortedIndices"],
];

/** Splits at commas that stand outside brackets and quotes. */
function splitTopLevel(text: string): string[] {
  return text
    .split(/,\s*(?![^([]*[)\]])/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function parseSignature(line: string): Signature {
  const open = line.indexOf("(");
  const parameters: Parameter[] = [];
  let keywordOnly = false;
  for (const part of splitTopLevel(line.slice(open + 1, line.lastIndexOf(")")))) {
    if (part === "*") {
      keywordOnly = true;
      continue;
    }
    const match = /^(\*?)(\w+)(?::\s*(\w+))?(?:=(.*))?$/.exec(part);
    if (!match?.[2]) {
      throw new Error(`signature not understood: ${line}`);
    }
    const variadic = match[1] === "*";
    parameters.push({ name: match[2], default: match[4], variadic, keywordOnly, kind: match[3] });
    keywordOnly ||= variadic;
  }
  return { name: line.slice(0, open), parameters };
}

function parseTable(text: string): Map<string, Signature[]> {
  const table = new Map<string, Signature[]>();
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const signature = parseSignature(line);
    const overloads = table.get(signature.name);
    if (overloads) {
      overloads.push(signature);
    } else {
      table.set(signature.name, [signature]);
    }
  }
  return table;
}

const functions = new Map([...parseTable(SIGNATURE_LINES), ...parseTable(OVERRIDES)]);
const forwards = parseTable(FORWARD);

/** The overloads of a function or class (`torch.sum`, `F.pad`, `nn.Conv2d`), or none if it is not listed. */
export function signaturesOf(name: string): readonly Signature[] {
  return functions.get(name) ?? [];
}

/** The overloads of a module's call. */
export function forwardSignaturesOf(module: string): readonly Signature[] {
  return forwards.get(module) ?? [];
}
