/** Ranks' heaps and kernel threads: several Kindlings in one process, which read each other's memory while it grows. */
import assert from "node:assert/strict";
import {
  full,
  getNumThreads,
  manualSeed,
  memory,
  randn,
  scope,
  setMemoryLimit,
  setNumThreads,
  type Tensor,
} from "kindling";
import { allGather, allReduce, broadcast, type Work } from "kindling/distributed";
import type { Case } from "../harness.js";

const MIB = 1 << 20;
const FLOAT = { dtype: "float32" } as const;

/** All elements are `value`. */
function all(t: Tensor, value: number): void {
  assert.equal(t.min().item(), value);
  assert.equal(t.max().item(), value);
}

export const cases: readonly Case[] = [
  {
    name: "heaps that grow between collectives, each at its own pace",
    run(rank, size) {
      const kept: Tensor[] = [];
      for (let step = 0; step < 6; step++) {
        for (let i = 0; i < (rank + step) % 3; i++) kept.push(full([(rank + 1) * MIB], step, FLOAT));
        const x = full([(step + 1) * 100_000], rank, FLOAT);
        allReduce(x);
        all(x, (size * (size - 1)) / 2);
        const list = Array.from({ length: size }, () => full([50_000], -1, FLOAT));
        allGather(list, full([50_000], rank, FLOAT));
        for (const [r, t] of list.entries()) all(t, r);
      }
      for (const t of kept) assert.equal(t.numel, (rank + 1) * MIB);
    },
  },
  {
    name: "a heap with little memory: tensors are evicted and come back, also under way",
    worldSizes: [1, 2, 3],
    run(rank, size) {
      const before = memory();
      setMemoryLimit(4 * MIB);
      try {
        const tensors = Array.from({ length: 16 }, (_, k) => full([200_000], k + rank, FLOAT));
        const works = tensors.slice(0, 4).map((t) => allReduce(t, { asyncOp: true }));
        for (const t of tensors.slice(4)) broadcast(t, size - 1);
        for (const work of works) (work as Work).wait();
        for (const [k, t] of tensors.entries())
          all(t, k < 4 ? k * size + (size * (size - 1)) / 2 : k + size - 1);
        assert.ok(memory().evictions > before.evictions);
      } finally {
        setMemoryLimit(before.limit);
      }
    },
  },
  {
    name: "nothing stays behind: as much memory in use after many collectives as before",
    worldSizes: [2],
    run(rank) {
      const round = () =>
        scope(() => {
          for (const n of [10, 5000, 300_000]) {
            const x = full([n], rank, FLOAT);
            allReduce(x);
            (allReduce(x, { asyncOp: true }) as Work).wait();
            allGather([x, x.clone()], x.clone());
          }
        });
      round();
      const { resident } = memory();
      for (let i = 0; i < 10; i++) round();
      assert.ok(memory().resident <= resident + MIB, `${memory().resident} after ${resident}`);
    },
  },
  {
    name: "collectives in a scope: what they write stays, what they use goes",
    worldSizes: [2],
    run(rank) {
      const x = full([100_000], rank, FLOAT);
      const work = scope(() => {
        allReduce(x);
        return allReduce(x.t(), { asyncOp: true }) as unknown as Tensor;
      }) as unknown as Work;
      work.wait();
      all(x, 2);
    },
  },
  {
    name: "kernel threads of each rank: the same bits with one and with three",
    worldSizes: [2, 3],
    run(rank, size) {
      const threads = getNumThreads();
      manualSeed(0);
      const [a, b] = [randn([300, 400]), randn([400, 300])];
      const results = [1, 3].map((n) => {
        setNumThreads(n);
        const y = a
          .matmul(b)
          .mul(rank + 1)
          .tanh();
        allReduce(y);
        return y;
      });
      setNumThreads(threads);
      assert.deepEqual(results[0]?.toTypedArray(), results[1]?.toTypedArray());
      assert.ok(size > 1);
    },
  },
];
