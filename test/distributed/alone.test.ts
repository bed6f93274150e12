/** A world of one rank, in a program that nobody started as a rank. */

import { nn, ones, tensor } from "kindling";
import {
  allGatherObject,
  allReduce,
  barrier,
  DistributedDataParallel,
  destroyProcessGroup,
  getRank,
  getWorldSize,
  initProcessGroup,
  isInitialized,
} from "kindling/distributed";
import { afterEach, describe, expect, test } from "vitest";

afterEach(() => {
  if (isInitialized()) destroyProcessGroup();
});

describe("initProcessGroup({ worldSize: 1 })", () => {
  test.each(["threads", undefined] as const)("makes a world of one rank, backend %s", (backend) => {
    initProcessGroup(backend, { worldSize: 1 });
    expect([getRank(), getWorldSize()]).toEqual([0, 1]);
    const x = tensor([1, 2]);
    allReduce(x);
    barrier();
    expect(x.toArray()).toEqual([1, 2]);
    const list: unknown[] = [null];
    allGatherObject(list, { a: 1 });
    expect(list).toEqual([{ a: 1 }]);
    const ddp = new DistributedDataParallel(new nn.Linear(2, 2));
    ddp(ones([3, 2]))
      .sum()
      .backward();
    expect(ddp.module.bias?.grad?.toArray()).toEqual([3, 3]);
  });

  test("one after the other", () => {
    for (let i = 0; i < 2; i++) {
      initProcessGroup("threads", { worldSize: 1, rank: 0 });
      destroyProcessGroup();
    }
  });

  test("not without saying so, nor with more ranks", () => {
    expect(() => initProcessGroup()).toThrow("this is not a rank");
    expect(() => initProcessGroup("threads", { worldSize: 2 })).toThrow("this is not a rank");
    expect(() => initProcessGroup("threads", { worldSize: 1, rank: 1 })).toThrow(
      "rank: got 1, but this is rank 0",
    );
    expect(isInitialized()).toBe(false);
  });
});
