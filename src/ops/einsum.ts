/** Einstein summation: operands are contracted two by two, from left to right, as batched matrix products. */
import { ShapeError, show, ValueError } from "../tensor/errors.js";
import { numelOf } from "../tensor/shape.js";
import { Tensor } from "../tensor/tensor.js";
import { mul } from "./arithmetic.js";
import { diagonal } from "./diagonal.js";
import { bmm, mm } from "./matmul.js";
import { sum } from "./sum.js";
import { permute, reshape, select } from "./view.js";

/** A tensor with a label for each dimension, none twice. Those of an ellipsis are numbers, counted from its end. */
interface Labelled {
  readonly x: Tensor;
  readonly labels: readonly string[];
}

/** "ij...k" as labels, with "..." for an ellipsis. */
function parse(term: string, equation: string): string[] {
  const labels: string[] = [];
  for (let i = 0; i < term.length; i++) {
    if (term.startsWith("...", i)) {
      if (labels.includes("..."))
        throw new ValueError(`[einsum] "${equation}" has two ellipses in one operand, expected one`);
      labels.push("...");
      i += 2;
    } else if (/[a-zA-Z]/.test(term.charAt(i))) labels.push(term.charAt(i));
    else
      throw new ValueError(
        `[einsum] "${equation}" has "${term.charAt(i)}": expected letters, "...", "," and "->"`,
      );
  }
  return labels;
}

const byPosition = (rank: number): string[] => Array.from({ length: rank }, (_, i) => String(rank - 1 - i));

/** Replaces "..." by `rank` numbered labels. */
function fill(labels: readonly string[], rank: number): string[] {
  return labels.flatMap((l) => (l === "..." ? byPosition(rank) : [l]));
}

/** The labels of the result where the equation names none: the ellipsis, then those that occur once, in order. */
function implied(terms: readonly (readonly string[])[]): string[] {
  const all = terms.flat().filter((l) => l !== "...");
  const once = all.filter((l) => all.indexOf(l) === all.lastIndexOf(l)).sort((a, b) => (a < b ? -1 : 1));
  return terms.some((t) => t.includes("...")) ? ["...", ...once] : once;
}

function checkOutput(output: readonly string[], known: ReadonlySet<string>, equation: string): void {
  for (const label of output) {
    if (output.indexOf(label) !== output.lastIndexOf(label)) {
      throw new ValueError(
        `[einsum] label "${label}" appears twice in the output of "${equation}": expected each once`,
      );
    }
    if (!known.has(label))
      throw new ValueError(
        `[einsum] label "${label}" of the output is in no operand of "${equation}": expected one of theirs`,
      );
  }
}

/** Takes the diagonal where a label occurs twice. */
function withoutRepeats(x: Tensor, labels: readonly string[], equation: string): Labelled {
  const twice = labels.find((l, i) => labels.indexOf(l) !== i);
  if (twice === undefined) return { x, labels };
  const dim1 = labels.indexOf(twice);
  const dim2 = labels.indexOf(twice, dim1 + 1);
  if (x.shape[dim1] !== x.shape[dim2]) {
    throw new ShapeError(
      `[einsum] label "${twice}" of "${equation}" names dimensions of sizes ${x.shape[dim1]} and ${x.shape[dim2]} of one operand: they must agree`,
    );
  }
  const rest = labels.filter((_, i) => i !== dim1 && i !== dim2);
  return withoutRepeats(diagonal(x, { dim1, dim2 }), [...rest, twice], equation);
}

/** Drops labels of size 1 that are broadcast against a larger size. */
function squeezed({ x, labels }: Labelled, sizes: ReadonlyMap<string, number>): Labelled {
  const at = labels.findIndex((l, d) => x.shape[d] === 1 && sizes.get(l) !== 1);
  if (at < 0) return { x, labels };
  return squeezed({ x: select(x, at, 0), labels: labels.filter((_, d) => d !== at) }, sizes);
}

/** Sums over the labels that are not kept; integers in their dtype, which the products need, or (`last`) as int64. */
function sumOut({ x, labels }: Labelled, keep: ReadonlySet<string>, last = false): Labelled {
  const gone = labels.flatMap((l, d) => (keep.has(l) ? [] : [d]));
  if (gone.length === 0) return { x, labels };
  const total = last ? sum(x, gone) : sum(x, { dim: gone, dtype: x.dtype });
  return { x: total, labels: labels.filter((l) => keep.has(l)) };
}

function arrange({ x, labels }: Labelled, ...groups: readonly (readonly string[])[]): Tensor {
  const order = groups.flat().map((l) => labels.indexOf(l));
  const sorted = order.every((d, i) => d === i) ? x : permute(x, order);
  let at = 0;
  const sizes = groups.map((group) => {
    at += group.length;
    return numelOf(sorted.shape.slice(at - group.length, at));
  });
  return reshape(sorted, sizes);
}

/** The product of two operands, summed over the labels that neither the rest nor the output needs. */
function contract(left: Labelled, right: Labelled, keep: ReadonlySet<string>): Labelled {
  const a = sumOut(left, new Set([...keep, ...right.labels]));
  const b = sumOut(right, new Set([...keep, ...left.labels]));
  const shared = a.labels.filter((l) => b.labels.includes(l));
  const batch = shared.filter((l) => keep.has(l));
  const inner = shared.filter((l) => !keep.has(l));
  const rows = a.labels.filter((l) => !shared.includes(l));
  const cols = b.labels.filter((l) => !shared.includes(l));
  const labels = [...batch, ...rows, ...cols];
  const sizeOf = (l: string) =>
    (a.labels.includes(l) ? a.x.shape[a.labels.indexOf(l)] : b.x.shape[b.labels.indexOf(l)]) as number;
  const shape = labels.map(sizeOf);
  let x: Tensor;
  if (inner.length === 0) x = mul(arrange(a, batch, rows, []), arrange(b, batch, [], cols));
  else if (batch.length === 0) x = mm(arrange(a, rows, inner), arrange(b, inner, cols));
  else x = bmm(arrange(a, batch, rows, inner), arrange(b, batch, inner, cols));
  return { x: reshape(x, shape), labels };
}

/**
 * Sums of products of elements, named by letters: "ij,jk->ik" is a matrix product, "bij->bji" a transpose, "ii->i" a
 * diagonal. Without "->" the result has the letters that occur once, in alphabetical order; "..." stands for any
 * dimensions, which are broadcast. The operands are a list, or follow one by one. Source: `torch.einsum`.
 * @example
 * einsum("ij,j->i", [tensor([[1, 2], [3, 4]]), tensor([1, 10])]).toArray(); // [21, 43]
 * @throws ShapeError when a letter names different sizes.
 */
export function einsum(equation: string, operands: readonly Tensor[] | Tensor, ...more: Tensor[]): Tensor {
  return contractAll(equation, operands instanceof Tensor ? [operands, ...more] : operands);
}

function contractAll(equation: string, operands: readonly Tensor[]): Tensor {
  const [inputs, given, ...more] = equation.replaceAll(" ", "").split("->") as [string, string | undefined];
  const terms = inputs.split(",").map((term) => parse(term, equation));
  if (more.length > 0 || terms.length !== operands.length) {
    throw new ValueError(
      `[einsum] "${equation}" names ${terms.length} operands: got ${operands.length} tensors, expected ${terms.length}`,
    );
  }
  const dots = terms.map((labels, i) => {
    const { shape } = operands[i] as Tensor;
    const free = shape.length - labels.filter((l) => l !== "...").length;
    if (free < 0 || (free > 0 && !labels.includes("..."))) {
      throw new ShapeError(
        `[einsum] operand ${i} of shape ${show(shape)} does not have the dimensions of "${labels.join("")}" in "${equation}"`,
      );
    }
    return labels.includes("...") ? free : 0;
  });
  const named = terms.map((labels, i) => fill(labels, dots[i] as number));
  const output = fill(given === undefined ? implied(terms) : parse(given, equation), Math.max(0, ...dots));
  checkOutput(output, new Set(named.flat()), equation);

  const distinct = named.map((labels, i) => withoutRepeats(operands[i] as Tensor, labels, equation));
  const sizes = new Map<string, number>();
  for (const { x, labels } of distinct) {
    labels.forEach((l, d) => {
      const size = x.shape[d] as number;
      const before = sizes.get(l) ?? 1;
      if (size !== before && size !== 1 && before !== 1) {
        throw new ShapeError(
          `[einsum] label "${l}" of "${equation}" names dimensions of sizes ${before} and ${size}: they must agree, or be 1`,
        );
      }
      sizes.set(l, size === 1 ? before : size);
    });
  }
  const parts = distinct.map((part) => squeezed(part, sizes));
  const result = parts.slice(1).reduce<Labelled>((left, right, i) => {
    const later = parts.slice(i + 2).flatMap((p) => p.labels);
    return contract(left, right, new Set([...output, ...later]));
  }, parts[0] as Labelled);
  const done = sumOut(result, new Set(output), true);
  const order = output.map((l) => done.labels.indexOf(l));
  // The operand itself is not handed out: what comes out is a view of it.
  const ordered = order.every((d, i) => d === i) && done.x !== operands[0];
  return ordered ? done.x : permute(done.x, order);
}
