/** Samples of indexing by tensors, and of grids and choices. */
import { tensor } from "../../src/index.js";
import { indices, make, mask } from "./make.js";
import { calls } from "./samples.js";
import type { Registry } from "./types.js";

const long = (data: number[] | number[][]) => tensor(data, { dtype: "int64" });

export const indexing = {
  indexPut: calls(
    {
      "one index": () => [make([4, 3]), [long([2, 0])], make([2, 3], { seed: 2 })],
      "a repeated place, added": () => [
        make([4]),
        [long([2, 0, 2])],
        make([3], { seed: 2 }),
        { accumulate: true },
      ],
      "broadcast values": () => [
        make([4, 3]),
        [indices([2, 1], 4), indices([3], 3)],
        make([], { seed: 2 }),
        { accumulate: true },
      ],
      "the second of three dimensions": () => [
        make([2, 4, 3]),
        [null, long([3, 1])],
        make([2, 3], { seed: 2 }),
      ],
      "two that are apart": () => [
        make([2, 4, 3]),
        [long([1, 0]), null, long([-1, 0])],
        make([2, 4], { seed: 2 }),
      ],
      "a mask": () => [make([3, 4]), [mask([3, 4])], make([1], { seed: 2 })],
      "a mask and an index": () => [
        make([3, 4]),
        [tensor([true, false, true]), long([1, 2])],
        make([2], { seed: 2 }),
      ],
      nothing: () => [make([3, 4]), [long([])], make([1, 4], { seed: 2 })],
      "0-d index": () => [make([3, 4]), [long([1]).select(0, 0)], make([4], { seed: 2 })],
    },
    {
      errors: [
        {
          name: "position",
          args: () => [make([3]), [long([3])], make([1])],
          message: /\[indexPut\] index 3 is out of range for dimension 0 of size 3/,
        },
        {
          name: "values",
          args: () => [make([3]), [long([1])], make([2])],
          message: /\[indexPut\] values of shape \[2\] cannot be broadcast to \[1\]/,
        },
        {
          name: "dtype",
          args: () => [make([3]), [make([1])], make([1])],
          message: /\[indexPut\] tensors used as indices must be int64, int32 or bool/,
        },
      ],
    },
  ),
  meshgrid: calls(
    {
      "three vectors": () => [[make([2]), make([3], { seed: 2 }), make([1], { seed: 3 })]],
      xy: () => [[make([2]), make([3], { seed: 2 })], { indexing: "xy" }],
      "0-d and empty": () => [[make([]), make([0])]],
    },
    { errors: [{ name: "matrix", args: () => [[make([2, 2])]], message: /\[meshgrid\] expected vectors/ }] },
  ),
  cartesianProd: calls(
    {
      two: () => [[make([2]), make([3], { seed: 2 })]],
      one: () => [[make([3])]],
    },
    {
      errors: [
        { name: "matrix", args: () => [[make([2, 2])]], message: /\[cartesianProd\] expected vectors/ },
      ],
    },
  ),
  combinations: calls(
    {
      pairs: () => [make([4])],
      triples: () => [make([4]), { r: 3 }],
      "with replacement": () => [make([3]), { withReplacement: true }],
    },
    {
      errors: [
        {
          name: "r",
          args: () => [make([3]), { r: -1 }],
          message: /\[combinations\] r must be a whole number/,
        },
      ],
    },
  ),
} satisfies Partial<Registry>;
