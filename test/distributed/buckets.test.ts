/** How parameters are put together: buckets of gradients, shards of the optimizer. */
import { describe, expect, test } from "vitest";
import { assignBuckets } from "../../src/distributed/buckets.js";
import { partitionParameters } from "../../src/distributed/zeroRedundancyOptimizer.js";
import { zeros } from "../../src/index.js";

const floats = (...sizes: number[]) => sizes.map((n) => zeros([n]));

describe("assignBuckets", () => {
  // torch.distributed._compute_bucket_assignment_by_size(tensors, limits, [False] * n)
  test("closes a bucket once it has reached its limit", () => {
    expect(assignBuckets(floats(10, 20, 30, 40), [80])).toEqual([[0, 1], [2], [3]]);
  });

  test("the first bucket has a limit of its own", () => {
    expect(assignBuckets(floats(10, 20, 30, 40), [40, 200])).toEqual([[0], [1, 2], [3]]);
  });

  test("dtypes are kept apart, each with its own first bucket", () => {
    const double = (n: number) => zeros([n], { dtype: "float64" });
    const tensors = [zeros([10]), double(10), zeros([10]), double(5), zeros([100])];
    expect(assignBuckets(tensors, [40, 1000])).toEqual([[0], [1], [2, 4], [3]]);
    expect(assignBuckets(tensors, [1e9])).toEqual([
      [0, 2, 4],
      [1, 3],
    ]);
  });
});

describe("partitionParameters", () => {
  test("gives the largest parameter left to the rank with the fewest elements", () => {
    const params = floats(5, 1, 7, 3, 3, 2);
    const owner = partitionParameters([params], 3);
    // 7 to 0; 5 to 1; 3 and 3 to 2; 2 to 1 (5 + 2); 1 to 2 (6 + 1)
    expect(params.map((p) => owner.get(p))).toEqual([1, 2, 0, 2, 2, 1]);
  });

  test("goes on from group to group", () => {
    const [first, second] = [floats(4, 1), floats(2, 8)];
    const owner = partitionParameters([first, second], 2);
    expect(first.map((p) => owner.get(p))).toEqual([0, 1]);
    expect(second.map((p) => owner.get(p))).toEqual([0, 1]);
  });

  test("parameters of one size keep their order", () => {
    const params = floats(2, 2, 2, 2);
    const owner = partitionParameters([params], 2);
    expect(params.map((p) => owner.get(p))).toEqual([0, 1, 0, 1]);
  });
});
