/** Every collective on every dtype and reduction, against what arithmetic on the ranks' inputs gives. */
import assert from "node:assert/strict";
import { arange, full, type Tensor, tensor, zeros } from "kindling";
import { allReduce } from "kindling/distributed";
import type { Case } from "../harness.js";

export const cases: readonly Case[] = [
  {
    name: "allReduce: sum in place",
    run(rank, size) {
      const x = arange(5).to("float32").add(rank);
      allReduce(x);
      const ranks = (size * (size - 1)) / 2;
      assert.deepEqual(
        x.toArray(),
        [0, 1, 2, 3, 4].map((i) => i * size + ranks),
      );
    },
  },
];
