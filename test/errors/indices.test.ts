/** Dimensions, indices and labels out of range; reductions over nothing. */

import { expect, test } from "vitest";
import { cumsum, logsumexp, multinomial, nn, randn, tensor, zeros } from "../../src/index.js";
import { errorOf, index } from "./errorOf.js";

test("a reduction over a missing dimension", () => {
  expect(errorOf(() => randn([2, 3]).sum(2))).toMatchInlineSnapshot(
    `"IndexError: [sum] dimension out of range: got 2, expected a whole number from -2 to 1"`,
  );
});

test("softmax over a missing dimension", () => {
  expect(errorOf(() => randn([2, 3]).softmax(-3))).toMatchInlineSnapshot(
    `"IndexError: [softmax] dimension out of range: got -3, expected a whole number from -2 to 1"`,
  );
});

test("a dimension named twice", () => {
  expect(errorOf(() => randn([2, 3]).sum([0, 0]))).toMatchInlineSnapshot(
    `"IndexError: [sum] dimension 0 appears twice in [0, 0]: expected each once"`,
  );
});

test("an option where the dimension stands", () => {
  expect(errorOf(() => logsumexp(randn([2, 3]), { dim: 1 } as never))).toMatchInlineSnapshot(
    `"IndexError: [logsumexp] dim must be a number or a list of numbers, got object; try the dimension itself in its place"`,
  );
});

test("softmax without a dimension", () => {
  expect(errorOf(() => randn([2, 3]).softmax())).toMatchInlineSnapshot(
    `"ShapeError: [softmax] the dimension is missing; try softmax(x, -1)"`,
  );
});

test("cumsum without a dimension", () => {
  expect(errorOf(() => cumsum(randn([3]), undefined as never))).toMatchInlineSnapshot(
    `"ValueError: [cumsum] the dimension is missing; try cumsum(x, 0)"`,
  );
});

test("transpose", () => {
  expect(errorOf(() => randn([2, 3]).transpose(0, 2))).toMatchInlineSnapshot(
    `"IndexError: [transpose] dimension out of range: got 2, expected a whole number from -2 to 1"`,
  );
});

test("squeeze", () => {
  expect(errorOf(() => randn([2, 3]).squeeze(5))).toMatchInlineSnapshot(
    `"IndexError: [squeeze] dimension out of range: got 5, expected a whole number from -2 to 1"`,
  );
});

test("max of nothing", () => {
  expect(errorOf(() => zeros([0]).max())).toMatchInlineSnapshot(
    `"ShapeError: [max] cannot reduce shape [0] over an empty dimension: there is no element to take; try another dim"`,
  );
});

test("argmax of nothing", () => {
  expect(errorOf(() => zeros([2, 0]).argmax(1))).toMatchInlineSnapshot(
    `"ShapeError: [argmax] cannot reduce shape [2, 0] over an empty dimension: there is no element to take; try another dim"`,
  );
});

test("select", () => {
  expect(errorOf(() => randn([4]).select(0, 4))).toMatchInlineSnapshot(
    `"IndexError: [select] index 4 is out of range for dimension 0 of shape [4]: expected -4 to 3"`,
  );
});

test("narrow", () => {
  expect(errorOf(() => randn([4]).narrow(0, 2, 3))).toMatchInlineSnapshot(
    `"IndexError: [narrow] got start 2 and length 3, expected a part of dimension 0 of size 4"`,
  );
});

test("at: out of range", () => {
  expect(errorOf(() => randn([4]).at(7))).toMatchInlineSnapshot(
    `"IndexError: [at] index 7 is out of range for dimension 0 of shape [4]: expected -4 to 3"`,
  );
});

test("at: too many", () => {
  expect(errorOf(() => randn([4]).at(0, 0))).toMatchInlineSnapshot(
    `"IndexError: [at] too many indices: got 2 for shape [4] of 1 dimensions"`,
  );
});

test("at: a negative step", () => {
  expect(errorOf(() => randn([3]).at("::-1"))).toMatchInlineSnapshot(
    `"IndexError: [at] the step of "::-1" must be >= 1; try flip for the reversed order"`,
  );
});

test("at: a mask of another size", () => {
  expect(errorOf(() => randn([3]).at(tensor([true, false])))).toMatchInlineSnapshot(
    `"IndexError: [at] a mask of shape [2] does not fit shape [3]: dimension 0 has size 3, the mask 2; expected a mask of the same sizes"`,
  );
});

test("at: a floating index", () => {
  expect(errorOf(() => randn([3]).at(tensor([0.5])))).toMatchInlineSnapshot(
    `"DTypeError: [at] tensors used as indices must be int64, int32 or bool, got float32; try .to("int64")"`,
  );
});

test("gather: out of range", () => {
  expect(errorOf(() => randn([2, 3]).gather(1, index([[5]])))).toMatchInlineSnapshot(
    `"IndexError: [gather] index 5 is out of range: expected 0 to 2 for a dimension of size 3"`,
  );
});

test("gather: a floating index", () => {
  expect(errorOf(() => randn([2, 3]).gather(1, randn([1, 1])))).toMatchInlineSnapshot(
    `"DTypeError: [gather] indices must be int64, got float32; try .to("int64")"`,
  );
});

test("scatter: out of range", () => {
  expect(errorOf(() => randn([2, 3]).scatter(1, index([[3]]), 1))).toMatchInlineSnapshot(
    `"IndexError: [scatter] index 3 is out of range: expected 0 to 2 for a dimension of size 3"`,
  );
});

test("indexSelect: out of range", () => {
  expect(errorOf(() => randn([2, 3]).indexSelect(0, index([2])))).toMatchInlineSnapshot(
    `"IndexError: [indexSelect] index 2 is out of range: expected 0 to 1 for a dimension of size 2"`,
  );
});

test("take: out of range", () => {
  expect(errorOf(() => randn([2, 3]).take(index([6])))).toMatchInlineSnapshot(
    `"IndexError: [take] index 6 is out of range: expected -6 to 5 for a dimension of size 6"`,
  );
});

test("indexPut: out of range", () => {
  expect(errorOf(() => randn([3]).indexPut([index([5])], tensor(1.5)))).toMatchInlineSnapshot(
    `"IndexError: [indexPut] index 5 is out of range for dimension 0 of size 3: expected -3 to 2"`,
  );
});

test("a mask that is no bool", () => {
  expect(errorOf(() => randn([2, 3]).maskedFill(zeros([2, 3]), 0))).toMatchInlineSnapshot(
    `"DTypeError: [maskedFill] the mask must be bool: got float32; try mask.ne(0)"`,
  );
});

test("topk", () => {
  expect(errorOf(() => randn([3]).topk(4))).toMatchInlineSnapshot(
    `"IndexError: [topk] k = 4 is out of range: expected 0 to 3 for dimension 0 of shape [3]"`,
  );
});

test("embedding: out of range", () => {
  expect(errorOf(() => new nn.Embedding(10, 3)(index([10])))).toMatchInlineSnapshot(
    `"IndexError: [embedding] index 10 is out of range: expected 0 to 9 for a dimension of size 10"`,
  );
});

test("embedding: floating indices", () => {
  expect(errorOf(() => new nn.Embedding(10, 3)(randn([2])))).toMatchInlineSnapshot(
    `"DTypeError: [embedding] indices must be int64, got float32; try .to("int64")"`,
  );
});

test("oneHot: a negative class", () => {
  expect(errorOf(() => nn.functional.oneHot(index([-1])))).toMatchInlineSnapshot(
    `"IndexError: [oneHot] index -1 is out of range: expected 0 or above"`,
  );
});

test("oneHot: too few classes", () => {
  expect(errorOf(() => nn.functional.oneHot(index([3]), 3))).toMatchInlineSnapshot(
    `"IndexError: [oneHot] index 3 is out of range: expected 0 to 2; try a larger numClasses"`,
  );
});

test("multinomial: more than there are", () => {
  expect(errorOf(() => multinomial(tensor([0.5, 0.5]), 3))).toMatchInlineSnapshot(
    `"ValueError: [multinomial] cannot draw 3 of 2 categories without replacement; try { replacement: true }"`,
  );
});

test("multinomial: no weight", () => {
  expect(errorOf(() => multinomial(tensor([0.5, -1]), 1))).toMatchInlineSnapshot(
    `"ValueError: [multinomial] expected weights that are finite and >= 0 everywhere, got -1 at element 1 of shape [2]"`,
  );
});
