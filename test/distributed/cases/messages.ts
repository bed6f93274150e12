/** Sends and receives, objects, groups of some ranks, and collectives that go on in the background. */
import assert from "node:assert/strict";
import { arange, empty, full, type Tensor, tensor, zeros } from "kindling";
import {
  allGatherObject,
  allReduce,
  barrier,
  batchIsendIrecv,
  broadcast,
  broadcastObjectList,
  DistMismatchError,
  destroyProcessGroup,
  gatherObject,
  getBackend,
  getGlobalRank,
  getGroupRank,
  getProcessGroupRanks,
  getRank,
  getWorldSize,
  irecv,
  isend,
  newGroup,
  newSubgroups,
  newSubgroupsByEnumeration,
  P2POp,
  recv,
  recvObjectList,
  scatterObjectList,
  send,
  sendObjectList,
  Work,
} from "kindling/distributed";
import type { Case } from "../harness.js";

const SEVERAL = [2, 3, 4];

export const cases: readonly Case[] = [
  {
    name: "send and recv: a ring, small and large",
    worldSizes: SEVERAL,
    run(rank, size) {
      for (const n of [0, 3, 100_000]) {
        const x = full([n], rank, { dtype: "float32" });
        const next = (rank + 1) % size;
        const before = (rank + size - 1) % size;
        const got = empty([n]);
        if (rank === 0) {
          send(x, next);
          assert.equal(recv(got, before), before);
        } else {
          assert.equal(recv(got, before), before);
          send(x, next);
        }
        assert.deepEqual(got.toArray(), new Array(n).fill(before));
      }
    },
  },
  {
    name: "send and recv: tags, any source, the order of messages",
    worldSizes: SEVERAL,
    run(rank, size) {
      if (rank === 0) {
        const seen: number[] = [];
        for (let i = 1; i < size; i++) {
          const x = zeros([1]);
          const from = recv(x, null, { tag: 7 });
          assert.equal(x.item(), from);
          seen.push(from);
        }
        assert.deepEqual(
          seen.sort(),
          Array.from({ length: size - 1 }, (_, i) => i + 1),
        );
        const x = zeros([1]);
        for (let i = 1; i < size; i++) {
          for (const expected of [10, 11]) {
            recv(x, i);
            assert.equal(x.item(), expected);
          }
        }
      } else {
        const first = isend(tensor([10]).to("float32"), 0);
        const second = isend(tensor([11]).to("float32"), 0);
        send(tensor([rank]).to("float32"), 0, { tag: 7 });
        first.wait();
        second.wait();
      }
    },
  },
  {
    name: "isend copies at once, irecv writes in wait, strides are kept",
    worldSizes: SEVERAL,
    run(rank, size) {
      if (rank > 1) return;
      const peer = 1 - rank;
      const x = arange(6)
        .to("float32")
        .reshape([2, 3])
        .add(10 * rank);
      const into = zeros([3, 2]).t();
      const sending = isend(x, peer);
      x.fill_(-1);
      const receiving = irecv(into, peer);
      assert.ok(receiving instanceof Work);
      assert.deepEqual(into.toArray(), [
        [0, 0, 0],
        [0, 0, 0],
      ]);
      assert.equal(receiving.wait(), true);
      sending.wait();
      assert.deepEqual(
        into.toArray(),
        arange(6)
          .reshape([2, 3])
          .add(10 * peer)
          .toArray(),
      );
      assert.ok(size >= 2);
    },
  },
  {
    name: "batchIsendIrecv: everybody with everybody",
    worldSizes: SEVERAL,
    run(rank, size) {
      const others = Array.from({ length: size }, (_, r) => r).filter((r) => r !== rank);
      const inputs = others.map((r) => tensor([rank, r]));
      const outputs = others.map(() => zeros([2], { dtype: "int64" }));
      const works = batchIsendIrecv([
        ...others.map((r, i) => new P2POp(irecv, outputs[i] as Tensor, r)),
        ...others.map((r, i) => new P2POp(isend, inputs[i] as Tensor, r)),
      ]);
      for (const work of works) work.wait();
      assert.deepEqual(
        outputs.map((t) => t.toArray()),
        others.map((r) => [r, rank]),
      );
    },
  },
  {
    name: "a message of another dtype or size is an error on both sides",
    worldSizes: SEVERAL,
    run(rank) {
      if (rank === 0) {
        assert.throws(
          () => send(zeros([3]), 1),
          /\[send\] rank 1 refused .* float32\[3\].*expects float32 with 4/,
        );
        assert.throws(() => send(zeros([3]), 1), DistMismatchError);
        send(zeros([3]), 1);
      } else if (rank === 1) {
        const x = full([4], 5, { dtype: "float32" });
        assert.throws(
          () => recv(x, 0),
          /\[recv\] a message of rank 0 .* float32\[3\].*expects float32 with 4/,
        );
        assert.deepEqual(x.toArray(), [5, 5, 5, 5]);
        assert.throws(() => recv(zeros([3], { dtype: "int64" }), 0), DistMismatchError);
        recv(zeros([3]), 0);
      }
    },
  },
  {
    name: "objects: all kinds of values, tensors among them",
    run(rank, size) {
      const mine = {
        rank,
        list: [1, "two", null, undefined, 3n],
        map: new Map([["when", new Date(rank)]]),
        set: new Set([rank]),
        weights: { w: arange(3).to("float32").add(rank), flag: tensor([true]) },
        bytes: new Uint8Array(rank * 20_000),
      };
      const all: (typeof mine)[] = new Array(size);
      allGatherObject(all, mine);
      for (const [r, got] of all.entries()) {
        assert.equal(got.rank, r);
        assert.deepEqual(got.list, [1, "two", null, undefined, 3n]);
        assert.deepEqual(got.map.get("when"), new Date(r));
        assert.deepEqual(got.set, new Set([r]));
        assert.deepEqual(got.weights.w.toArray(), [r, r + 1, r + 2]);
        assert.equal(got.weights.flag.dtype, "bool");
        assert.equal(got.bytes.length, r * 20_000);
      }
      assert.throws(() => allGatherObject(all, () => 1), /\[allGatherObject\] the object cannot be sent/);
    },
  },
  {
    name: "objects: gather, broadcast, scatter",
    run(rank, size) {
      for (let root = 0; root < size; root++) {
        const gathered = rank === root ? new Array(size) : null;
        gatherObject(`from ${rank}`, gathered, { dst: root });
        if (gathered !== null)
          assert.deepEqual(
            gathered,
            Array.from({ length: size }, (_, r) => `from ${r}`),
          );
        const list: unknown[] = rank === root ? [{ root }, "x".repeat(50_000)] : [null, null];
        broadcastObjectList(list, { src: root });
        assert.deepEqual(list, [{ root }, "x".repeat(50_000)]);
        const out: unknown[] = [];
        scatterObjectList(out, rank === root ? Array.from({ length: size }, (_, r) => ({ r, root })) : null, {
          src: root,
        });
        assert.deepEqual(out, [{ r: rank, root }]);
      }
    },
  },
  {
    name: "objects: from one rank to another",
    worldSizes: SEVERAL,
    run(rank) {
      if (rank === 1) sendObjectList([{ a: 1 }, [2]], 0);
      if (rank !== 0) return;
      const list: unknown[] = [null, null];
      assert.equal(recvObjectList(list, 1), 1);
      assert.deepEqual(list, [{ a: 1 }, [2]]);
    },
  },
  {
    name: "newGroup: collectives within it, nothing outside",
    worldSizes: SEVERAL,
    run(rank, size) {
      const ranks = [size - 1, 0]; // in ascending order whatever is given
      const group = newGroup(ranks);
      assert.deepEqual(getProcessGroupRanks(group), [0, size - 1]);
      assert.deepEqual(group.ranks, [0, size - 1]);
      const inside = ranks.includes(rank);
      assert.equal(getRank(group), inside ? (rank === 0 ? 0 : 1) : -1);
      assert.equal(getWorldSize(group), inside ? 2 : -1);
      const x = tensor([rank + 1]);
      allReduce(x, { group });
      assert.equal(x.item(), inside ? size + 1 : rank + 1);
      broadcast(x, size - 1, { group }); // ranks of the world
      if (inside) {
        assert.equal(getGlobalRank(group, 1), size - 1);
        assert.equal(getGroupRank(group, size - 1), 1);
        assert.equal(getBackend(group), getBackend());
      }
      assert.throws(() => newGroup([0, 0]), /stands twice/);
      assert.throws(() => newGroup([size]), /expected whole numbers from 0/);
      if (inside) destroyProcessGroup(group);
      if (inside) assert.throws(() => allReduce(x, { group }), /was destroyed/);
      barrier();
    },
  },
  {
    name: "newSubgroups: several groups at the same time",
    worldSizes: [4],
    run(rank) {
      const [own, all] = newSubgroups(2);
      assert.equal(all.length, 2);
      const x = tensor([rank]);
      for (let i = 0; i < 20; i++) allReduce(x, { group: own as never });
      assert.equal(x.item(), (rank < 2 ? 1 : 5) * 2 ** 19);
      const [other] = newSubgroupsByEnumeration([[0, 3], [1]]);
      assert.deepEqual(other?.ranks ?? null, [[0, 3], [1], null, [0, 3]][rank]);
      assert.throws(() => newSubgroups(3), /groupSize: got 3/);
      assert.throws(() => newSubgroupsByEnumeration([[0], [0, 1]]), /stands in two groups/);
    },
  },
  {
    name: "async collectives: results in wait, in any order, whatever happens in between",
    run(rank, size) {
      for (const n of [10, 50_000]) {
        const list = [1, 2, 3].map((k) => full([n], k * (rank + 1), { dtype: "float32" }));
        const works = list.map((t) => allReduce(t, { asyncOp: true }));
        const kept = list.map((t) => t.clone()); // ops go on meanwhile
        const blocking = tensor([rank]);
        allReduce(blocking);
        assert.equal(blocking.item(), (size * (size - 1)) / 2);
        for (const [i, work] of [...works.entries()].reverse()) {
          assert.ok(work instanceof Work);
          work.wait();
          const total = ((i + 1) * size * (size + 1)) / 2;
          assert.deepEqual(list[i]?.unique().toArray(), [total]);
          assert.deepEqual(kept[i]?.unique().toArray(), [(i + 1) * (rank + 1)]);
          assert.equal(work.isCompleted(), true);
          assert.equal(work.isSuccess(), true);
          assert.equal(work.exception(), null);
          assert.deepEqual(work.result()[0]?.shape, [n]);
        }
      }
    },
  },
  {
    name: "what a collective returns: nothing, a Work, or either where the compiler cannot know",
    run(rank) {
      const x = tensor([rank]);
      const nothing: undefined = allReduce(x, "max");
      const nothingEither: undefined = allReduce(x, { op: "max", asyncOp: false });
      const work: Work = allReduce(x, { op: "max", asyncOp: true });
      const either: Work | undefined = allReduce(x, { op: "max", asyncOp: x.numel === 1 });
      assert.deepEqual([nothing, nothingEither], [undefined, undefined]);
      assert.ok(work.wait() && either?.wait());
    },
  },
  {
    name: "async collectives: no rank holds up another that waits for something else",
    worldSizes: SEVERAL,
    run(rank, size) {
      const n = 40_000;
      const x = full([n], rank, { dtype: "float32" });
      const token = zeros([1]);
      if (rank === 0) {
        // Begins the allReduce, then waits for a message that the others send after it.
        const work = allReduce(x, { asyncOp: true });
        for (let r = 1; r < size; r++) recv(token, r);
        work.wait();
      } else {
        allReduce(x);
        send(token, 0);
      }
      assert.equal(x.max().item(), (size * (size - 1)) / 2);
    },
  },
  {
    name: "async collectives: in two groups, waited for crosswise",
    worldSizes: SEVERAL,
    run(rank, size) {
      const [a, b] = [newGroup(), newGroup()];
      const x = full([30_000], rank, { dtype: "float32" });
      const y = full([30_000], 1, { dtype: "float32" });
      const first = allReduce(x, { group: a, asyncOp: true });
      const second = allReduce(y, { group: b, asyncOp: true });
      const [one, other] = rank % 2 === 0 ? [first, second] : [second, first];
      one.wait();
      other.wait();
      assert.equal(x.max().item(), (size * (size - 1)) / 2);
      assert.equal(y.max().item(), size);
    },
  },
  {
    name: "async collectives: a promise while the event loop turns",
    async run(rank, size) {
      const x = tensor([rank]);
      const work = allReduce(x, { asyncOp: true });
      const [result] = await (work as Work).getFuture();
      assert.equal(result, x);
      assert.equal(x.item(), (size * (size - 1)) / 2);
    },
  },
];
