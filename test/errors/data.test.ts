/** Datasets, loaders, files, random numbers, memory, matrices. */

import { expect, test } from "vitest";
import * as data from "../../src/data/index.js";
import {
  frombuffer,
  fromTypedArray,
  linalg,
  manualSeed,
  nn,
  ones,
  optim,
  randint,
  randn,
  setMemoryLimit,
  setNumThreads,
  tensor,
  zeros,
} from "../../src/index.js";
import * as io from "../../src/io/index.js";
import { errorOf, index } from "./errorOf.js";

const numbers = new data.TensorDataset(ones([3]));

/** The bytes of a file with one entry of some dtype. */
function fileOf(dtype: string): Uint8Array {
  const header = JSON.stringify({ a: { dtype, shape: [1], data_offsets: [0, 1] } });
  const bytes = new Uint8Array(8 + header.length + 1);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(new TextEncoder().encode(header), 8);
  return bytes;
}

const saved = io.save({ a: ones([4]) });

test("a batch size of 0", () => {
  expect(errorOf(() => new data.DataLoader(numbers, { batchSize: 0 }))).toMatchInlineSnapshot(
    `"ValueError: [DataLoader] batchSize must be a whole number > 0 or null, got 0"`,
  );
});

test("a batch size with a fraction", () => {
  expect(errorOf(() => new data.DataLoader(numbers, { batchSize: 2.5 }))).toMatchInlineSnapshot(
    `"ValueError: [DataLoader] batchSize must be a whole number > 0 or null, got 2.5"`,
  );
});

test("sampler and shuffle", () => {
  expect(errorOf(() => new data.DataLoader(numbers, { shuffle: true, sampler: [0] }))).toMatchInlineSnapshot(
    `"ValueError: [DataLoader] got both sampler and shuffle, expected one; try a RandomSampler"`,
  );
});

test("no dataset", () => {
  expect(errorOf(() => new data.DataLoader(new Set([1]) as never))).toMatchInlineSnapshot(
    `"ValueError: [DataLoader] got object, expected a Dataset, with length and get(index), an IterableDataset, an array or a tensor; try new TensorDataset(inputs, targets)"`,
  );
  expect(errorOf(() => new data.DataLoader(tensor(1)))).toMatchInlineSnapshot(
    `"ValueError: [DataLoader] got a tensor without dimensions, expected a Dataset, with length and get(index), an IterableDataset, an array or a tensor; try new TensorDataset(inputs, targets)"`,
  );
});

test("samples of different shapes", () => {
  expect(
    errorOf(() => [
      ...new data.DataLoader({ length: 2, get: (i: number) => ones([i + 1]) } as never, { batchSize: 2 }),
    ]),
  ).toMatchInlineSnapshot(
    `"ShapeError: [defaultCollate] the tensors of a batch must have one shape: got [1] and [2]; try padding them, or a collateFn of your own"`,
  );
});

test("samples of different kinds", () => {
  expect(
    errorOf(() => [
      ...new data.DataLoader({ length: 2, get: (i: number) => (i === 0 ? 1 : [2]) } as never, {
        batchSize: 2,
      }),
    ]),
  ).toMatchInlineSnapshot(
    `"ValueError: [defaultCollate] the samples of a batch must be of one kind: got a value of type number and, at 1, an array; try a collateFn of your own"`,
  );
});

test("a sampler beyond the end", () => {
  expect(errorOf(() => [...new data.DataLoader(numbers, { sampler: [5] })])).toMatchInlineSnapshot(
    `"IndexError: [indexSelect] index 5 is out of range: expected 0 to 2 for a dimension of size 3"`,
  );
});

test("tensors of different lengths", () => {
  expect(errorOf(() => new data.TensorDataset(ones([3]), ones([2])))).toMatchInlineSnapshot(
    `"ShapeError: [TensorDataset] expected tensors of one length, got [3], [2]"`,
  );
});

test("a sample beyond the end", () => {
  expect(errorOf(() => numbers.get(3))).toMatchInlineSnapshot(
    `"IndexError: [select] index 3 is out of range for dimension 0 of shape [3]: expected -3 to 2"`,
  );
});

test("a split of another length", () => {
  expect(errorOf(() => data.randomSplit(numbers, [1, 1]))).toMatchInlineSnapshot(
    `"ValueError: [randomSplit] the lengths [1, 1] sum to 2, expected 3, the dataset's length, or fractions that sum to 1"`,
  );
});

test("a sampler of nothing", () => {
  expect(errorOf(() => new data.BatchSampler([1], 0, false))).toMatchInlineSnapshot(
    `"ValueError: [BatchSampler] batchSize must be a whole number > 0, got 0"`,
  );
});

test("a file that is too short", () => {
  expect(errorOf(() => io.load(new Uint8Array(3)))).toMatchInlineSnapshot(
    `"KindlingError: [safetensors] got 3 bytes, expected at least 8: not a safetensors file, or cut short"`,
  );
});

test("a file that is cut short", () => {
  expect(errorOf(() => io.load(saved.slice(0, saved.length - 4)))).toMatchInlineSnapshot(
    `"KindlingError: [safetensors] a of shape [4] needs 16 bytes: got 0 to 16 of 12, a file cut short"`,
  );
});

test("a file that is no safetensors", () => {
  expect(errorOf(() => io.load(new Uint8Array([255, 0, 0, 0, 0, 0, 0, 0, 1, 2])))).toMatchInlineSnapshot(
    `"KindlingError: [safetensors] got 10 bytes, expected more than the 255 of the header: not a safetensors file, or cut short"`,
  );
});

test("an unsupported dtype in a file", () => {
  expect(errorOf(() => io.load(fileOf("F8_E4M3")))).toMatchInlineSnapshot(
    `"KindlingError: [safetensors] a has dtype F8_E4M3, expected one of BOOL, U8, I32, I64, F32, F64, F16, BF16, I8, I16"`,
  );
});

test("a missing file", () => {
  expect(errorOf(() => io.loadFile("no/such.safetensors"))).toMatchInlineSnapshot(
    `"KindlingError: [safetensors] got no/such.safetensors, expected the path of a file that exists"`,
  );
});

test("saving a number", () => {
  expect(errorOf(() => io.save({ a: 1 as never }))).toMatchInlineSnapshot(
    `"DTypeError: [safetensors] a: got number, expected a tensor"`,
  );
});

test("a checkpoint without a part", () => {
  expect(
    errorOf(() =>
      io.unpackCheckpoint(io.packCheckpoint({ model: new nn.Linear(1, 1) }), {
        optimizer: new optim.SGD([ones([1], { requiresGrad: true })], { lr: 0.1 }),
      }),
    ),
  ).toMatchInlineSnapshot(
    `"KindlingError: [loadCheckpoint] got no optimizer in the file, expected some of model"`,
  );
});

test("no checkpoint", () => {
  expect(errorOf(() => io.unpackCheckpoint(saved))).toMatchInlineSnapshot(
    `"KindlingError: [loadCheckpoint] not a checkpoint: got format "none", expected "kindling checkpoint 1"; try loadFile for other safetensors files"`,
  );
});

test("an extra that cannot be saved", () => {
  expect(errorOf(() => io.packCheckpoint({}, { extra: { f: () => 1 } }))).toMatchInlineSnapshot(
    `"ValueError: [saveCheckpoint] extra.f is a function, expected numbers, strings, tensors, lists or plain objects"`,
  );
});

test("a seed that is none", () => {
  expect(errorOf(() => manualSeed("now" as never))).toMatchInlineSnapshot(
    `"ValueError: [manualSeed] expected a whole number from -2^63 to 2^64 - 1 as the seed, got now"`,
  );
});

test("an empty range", () => {
  expect(errorOf(() => randint(3, 3, [2]))).toMatchInlineSnapshot(
    `"ValueError: [randint] expected low < high, got low 3 and high 3"`,
  );
});

test("probabilities above 1", () => {
  expect(errorOf(() => tensor([1.5]).bernoulli())).toMatchInlineSnapshot(
    `"ValueError: [bernoulli] expected probabilities from 0 to 1 everywhere, got 1.5 at element 0 of shape [1]"`,
  );
});

test("a negative deviation", () => {
  expect(errorOf(() => ones([2]).normal_(0, -1))).toMatchInlineSnapshot(
    `"ValueError: [normal_] expected std >= 0, got -1"`,
  );
});

test("no threads", () => {
  expect(errorOf(() => setNumThreads(0))).toMatchInlineSnapshot(
    `"ValueError: [setNumThreads] got 0, expected a whole number of at least 1"`,
  );
});

test("a negative limit", () => {
  expect(errorOf(() => setMemoryLimit(-1))).toMatchInlineSnapshot(
    `"HeapError: [setMemoryLimit] expected a number of bytes >= 0, got -1"`,
  );
});

test("a typed array for another shape", () => {
  expect(errorOf(() => fromTypedArray(new Float32Array(3), [2]))).toMatchInlineSnapshot(
    `"ShapeError: [fromTypedArray] shape [2] is invalid for a tensor of shape [3] with 3 elements; try -1 for one dimension to be inferred"`,
  );
});

test("a buffer of part of an element", () => {
  expect(errorOf(() => frombuffer(new ArrayBuffer(3), "float32"))).toMatchInlineSnapshot(
    `"ValueError: [frombuffer] got 3 bytes, offset 0 and count -1 for elements of 4 bytes: expected at least one element, and whole ones; try another count or offset"`,
  );
});

test("a singular matrix", () => {
  expect(errorOf(() => linalg.inv(zeros([2, 2])))).toMatchInlineSnapshot(
    `"LinAlgError: [linalg.inv] the matrix is singular: element 1 of the diagonal of U is 0: got shape [2, 2]"`,
  );
});

test("a matrix that is not square", () => {
  expect(errorOf(() => linalg.det(randn([2, 3])))).toMatchInlineSnapshot(
    `"ShapeError: [linalg.det] expected square matrices, got shape [2, 3]; try linalg.pinv or linalg.lstsq for others"`,
  );
});

test("a matrix that is not positive-definite", () => {
  expect(
    errorOf(() =>
      linalg.cholesky(
        tensor(
          [
            [1, 2],
            [2, 1],
          ],
          { dtype: "float32" },
        ),
      ),
    ),
  ).toMatchInlineSnapshot(
    `"LinAlgError: [linalg.cholesky] the matrix is not positive-definite: its leading minor of order 2 is not positive: got shape [2, 2]"`,
  );
});

test("equations that do not fit", () => {
  expect(errorOf(() => linalg.solve(randn([2, 2]), randn([3])))).toMatchInlineSnapshot(
    `"ShapeError: [linalg.solve] A of shape [2, 2] does not fit B of shape [3]: expected as many rows"`,
  );
});

test("an unknown norm", () => {
  expect(errorOf(() => linalg.norm(randn([2, 2]), "max" as never))).toMatchInlineSnapshot(
    `"ValueError: [linalg.matrixNorm] unknown order max: expected "fro", "nuc", 1, -1, 2, -2, Infinity or -Infinity"`,
  );
});

test("indices as a matrix", () => {
  expect(
    errorOf(() =>
      linalg.inv(
        index([
          [1, 0],
          [0, 1],
        ]),
      ),
    ),
  ).toMatchInlineSnapshot(
    `"DTypeError: [linalg.inv] expected a floating dtype, got int64; try x.to("float32")"`,
  );
});
