/** Shapes that do not fit: broadcasting, reshaping, joining, products. */

import { expect, test } from "vitest";
import { broadcastTo, cat, einsum, ones, randn, stack, tensor, where, zeros } from "../../src/index.js";
import { errorOf } from "./errorOf.js";

test("broadcasting", () => {
  expect(errorOf(() => randn([2, 3]).add(randn([2, 4])))).toMatchInlineSnapshot(
    `"ShapeError: [add] shapes [2, 3] and [2, 4] cannot be broadcast: dimension -1 is 3 and 4, expected equal sizes or 1; try reshape or unsqueeze"`,
  );
});

test("broadcasting where", () => {
  expect(
    errorOf(() => where(ones([2, 3], { dtype: "bool" }), randn([2, 3]), randn([3, 3]))),
  ).toMatchInlineSnapshot(
    `"ShapeError: [where] shapes [2, 3] and [3, 3] cannot be broadcast: dimension -2 is 2 and 3, expected equal sizes or 1; try reshape or unsqueeze"`,
  );
});

test("an in-place op that would grow the tensor", () => {
  expect(errorOf(() => randn([3]).add_(randn([2, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [add_] the result has shape [2, 3], which does not fit in place into [3]; try add without the underscore"`,
  );
});

test("copy_", () => {
  expect(errorOf(() => randn([3]).copy_(randn([2])))).toMatchInlineSnapshot(
    `"ShapeError: [copy_] shapes [3] and [2] cannot be broadcast: dimension -1 is 3 and 2, expected equal sizes or 1; try reshape or unsqueeze"`,
  );
});

test("expand", () => {
  expect(errorOf(() => randn([2, 3]).expand([2, 4]))).toMatchInlineSnapshot(
    `"ShapeError: [expand] cannot expand shape [2, 3] to [2, 4]: expected the same sizes, or larger ones where the tensor has 1, and as many dimensions or more; try unsqueeze for new dimensions, or repeat"`,
  );
});

test("expand to fewer dimensions", () => {
  expect(errorOf(() => broadcastTo(randn([2, 3]), [3]))).toMatchInlineSnapshot(
    `"ShapeError: [expand] cannot expand shape [2, 3] to [3]: expected the same sizes, or larger ones where the tensor has 1, and as many dimensions or more; try unsqueeze for new dimensions, or repeat"`,
  );
});

test("reshape to another number of elements", () => {
  expect(errorOf(() => randn([2, 3]).reshape([4, 2]))).toMatchInlineSnapshot(
    `"ShapeError: [reshape] shape [4, 2] is invalid for a tensor of shape [2, 3] with 6 elements; try -1 for one dimension to be inferred"`,
  );
});

test("reshape with -1 that does not divide", () => {
  expect(errorOf(() => randn([2, 3]).reshape([4, -1]))).toMatchInlineSnapshot(
    `"ShapeError: [reshape] shape [4, -1] is invalid for a tensor of shape [2, 3] with 6 elements: dimension 1 cannot be inferred, as 6 is no multiple of 4; try other sizes"`,
  );
});

test("reshape with two -1", () => {
  expect(errorOf(() => randn([2, 3]).reshape([-1, -1]))).toMatchInlineSnapshot(
    `"ShapeError: [reshape] only one dimension can be inferred: got shape [-1, -1], expected one -1 at most"`,
  );
});

test("reshape with sizes one by one", () => {
  expect(errorOf(() => randn([2, 3]).reshape(6 as never))).toMatchInlineSnapshot(
    `"ShapeError: [reshape] expected a list of sizes, got 6; try reshape([6]), all sizes in one list"`,
  );
});

test("zeros with a bare size", () => {
  expect(errorOf(() => zeros(3 as never))).toMatchInlineSnapshot(
    `"ShapeError: [zeros] expected a list of sizes, got 3; try zeros([3]), all sizes in one list"`,
  );
});

test("zeros with a negative size", () => {
  expect(errorOf(() => zeros([2, -1]))).toMatchInlineSnapshot(
    `"ShapeError: [zeros] invalid size: got [2, -1], expected whole numbers >= 0"`,
  );
});

test("view of what is not contiguous", () => {
  expect(errorOf(() => randn([2, 3]).t().view([6]))).toMatchInlineSnapshot(
    `"ShapeError: [view] shape [6] does not fit the strides [1, 3] of shape [3, 2]; try reshape, or contiguous() first"`,
  );
});

test("unflatten", () => {
  expect(errorOf(() => randn([2, 6]).unflatten(1, [4, 2]))).toMatchInlineSnapshot(
    `"ShapeError: [unflatten] sizes [4, 2] do not multiply to 6, the size of dimension 1 of [2, 6]; try -1 for one of them to be inferred"`,
  );
});

test("flatten from behind", () => {
  expect(errorOf(() => randn([2, 3]).flatten(1, 0))).toMatchInlineSnapshot(
    `"IndexError: [flatten] got startDim 1 and endDim 0, expected startDim not after endDim"`,
  );
});

test("t of three dimensions", () => {
  expect(errorOf(() => randn([2, 3, 4]).t())).toMatchInlineSnapshot(
    `"ShapeError: [t] expected at most 2 dimensions, got [2, 3, 4]; try transpose(d0, d1)"`,
  );
});

test("permute without all dimensions", () => {
  expect(errorOf(() => randn([2, 3]).permute([0]))).toMatchInlineSnapshot(
    `"IndexError: [permute] got dims [0] for shape [2, 3]: expected each of its 2 dimensions once"`,
  );
});

test("cat of different shapes", () => {
  expect(errorOf(() => cat([randn([2, 3]), randn([2, 4])], 0))).toMatchInlineSnapshot(
    `"ShapeError: [cat] shapes [2, 3] and [2, 4] cannot be joined along dimension 0: expected the same sizes in the other dimensions; try stack for a new one"`,
  );
});

test("cat of nothing", () => {
  expect(errorOf(() => cat([]))).toMatchInlineSnapshot(
    `"ValueError: [cat] got an empty list, expected at least one tensor"`,
  );
});

test("stack of different shapes", () => {
  expect(errorOf(() => stack([randn([2, 3]), randn([2, 4])]))).toMatchInlineSnapshot(
    `"ShapeError: [stack] expected tensors of one shape, got [2, 3] and [2, 4]; try cat"`,
  );
});

test("split into lengths that do not add up", () => {
  expect(errorOf(() => randn([4]).split([1, 2]))).toMatchInlineSnapshot(
    `"ValueError: [splitWithSizes] lengths [1, 2] must be whole numbers >= 0 that add up to 4, the size of dimension 0; got 3"`,
  );
});

test("chunk into none", () => {
  expect(errorOf(() => randn([4]).chunk(0))).toMatchInlineSnapshot(
    `"ValueError: [chunk] expected a whole number of pieces > 0, got 0"`,
  );
});

test("repeat with too few counts", () => {
  expect(errorOf(() => randn([2, 3]).repeat([2]))).toMatchInlineSnapshot(
    `"ShapeError: [repeat] expected at least 2 counts for shape [2, 3], got [2]; try tile"`,
  );
});

test("matmul: inner sizes", () => {
  expect(errorOf(() => randn([2, 3]).matmul(randn([2, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [matmul] shapes [2, 3] and [2, 3] cannot be multiplied: the inner sizes 3 and 2 differ; try transposing an operand"`,
  );
});

test("matmul: leading dimensions", () => {
  expect(errorOf(() => randn([2, 2, 3]).matmul(randn([3, 3, 2])))).toMatchInlineSnapshot(
    `"ShapeError: [matmul] shapes [2, 2, 3] and [3, 3, 2] cannot be multiplied: the leading dimensions [2] and [3] cannot be broadcast, expected equal sizes or 1; try reshape or unsqueeze"`,
  );
});

test("matmul with a number", () => {
  expect(errorOf(() => randn([2, 3]).matmul(tensor(2.5)))).toMatchInlineSnapshot(
    `"ShapeError: [matmul] 0-d tensors cannot be multiplied as matrices: got [2, 3] and []; try mul"`,
  );
});

test("mm of batches", () => {
  expect(errorOf(() => randn([2, 2, 3]).mm(randn([3, 2])))).toMatchInlineSnapshot(
    `"ShapeError: [mm] expected two matrices, got [2, 2, 3] and [3, 2]; try matmul"`,
  );
});

test("bmm of matrices", () => {
  expect(errorOf(() => randn([2, 3]).bmm(randn([3, 2])))).toMatchInlineSnapshot(
    `"ShapeError: [bmm] expected two batches of as many matrices, got [2, 3] and [3, 2]"`,
  );
});

test("mv", () => {
  expect(errorOf(() => randn([2, 3]).mv(randn([2])))).toMatchInlineSnapshot(
    `"ShapeError: [mv] shapes [2, 3] and [2] cannot be multiplied: the inner sizes 3 and 2 differ; try transposing an operand"`,
  );
});

test("dot of different lengths", () => {
  expect(errorOf(() => randn([3]).dot(randn([4])))).toMatchInlineSnapshot(
    `"ShapeError: [dot] expected two vectors of one length, got [3] and [4]"`,
  );
});

test("addmm", () => {
  expect(errorOf(() => randn([3, 3]).addmm(randn([2, 3]), randn([3, 4])))).toMatchInlineSnapshot(
    `"ShapeError: [addmm] shapes [2, 4] and [3, 3] cannot be broadcast: dimension -2 is 2 and 3, expected equal sizes or 1; try reshape or unsqueeze"`,
  );
});

test("einsum: sizes", () => {
  expect(errorOf(() => einsum("ij,jk->ik", randn([2, 3]), randn([2, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [einsum] label "j" of "ij,jk->ik" names dimensions of sizes 3 and 2: they must agree, or be 1"`,
  );
});

test("einsum: too few operands", () => {
  expect(errorOf(() => einsum("ij,jk->ik", randn([2, 3])))).toMatchInlineSnapshot(
    `"ValueError: [einsum] "ij,jk->ik" names 2 operands: got 1 tensors, expected 2"`,
  );
});

test("einsum: an unknown label", () => {
  expect(errorOf(() => einsum("ij->iz", randn([2, 3])))).toMatchInlineSnapshot(
    `"ValueError: [einsum] label "z" of the output is in no operand of "ij->iz": expected one of theirs"`,
  );
});

test("ragged data", () => {
  expect(errorOf(() => tensor([[1, 2], [3]]))).toMatchInlineSnapshot(
    `"ShapeError: [tensor] nested arrays must be regular: at depth 1 got an array of 1, expected an array of 2 (shape [2, 2])"`,
  );
});

test("item of many elements", () => {
  expect(errorOf(() => randn([3]).item())).toMatchInlineSnapshot(
    `"ShapeError: [item] only a tensor of one element can be read as a number: got shape [3]; try toArray()"`,
  );
});

test("iterating over a number", () => {
  expect(errorOf(() => [...tensor(1.5)])).toMatchInlineSnapshot(
    `"IndexError: [iterator] a 0-d tensor has no parts to iterate over; try item()"`,
  );
});
