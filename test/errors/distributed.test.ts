/** Mistakes that a rank can see alone, and what is said about them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  allGather,
  allGatherIntoTensor,
  allReduce,
  allToAllSingle,
  broadcast,
  destroyProcessGroup,
  gather,
  getGroupRank,
  getNodeLocalRank,
  initProcessGroup,
  isend,
  newGroup,
  P2POp,
  recv,
  reduceScatterTensor,
  scatter,
  send,
} from "../../src/distributed/index.js";
import { tensor, zeros } from "../../src/index.js";
import { errorOf } from "./errorOf.js";

test("before there is a world", () => {
  expect(errorOf(() => allReduce(zeros([1])))).toBe(
    "DistBackendError: [allReduce] there is no process group yet; try initProcessGroup() first",
  );
  expect(errorOf(() => initProcessGroup("threads"))).toMatch(
    /^DistBackendError: \[initProcessGroup\] this is not a rank of a threads world; try launch\("train\.js"/,
  );
  expect(errorOf(() => initProcessGroup("gloo" as never))).toBe(
    'ValueError: [initProcessGroup] backend: got "gloo", expected "threads" or "mpi"',
  );
});

describe("in a world of one rank", () => {
  beforeAll(() => void initProcessGroup("threads", { worldSize: 1 }));
  afterAll(() => destroyProcessGroup());

  const x = () => zeros([2]);
  const int = () => zeros([2], { dtype: "int64" });
  const mistakes: readonly (readonly [() => unknown, string])[] = [
    [
      () => allReduce(x(), "band"),
      'DTypeError: [allReduce] "band" is not defined for float32: expected an integer dtype or bool',
    ],
    [
      () => allReduce(tensor([true]), "avg"),
      'DTypeError: [allReduce] "avg" is not defined for bool; try .to("float32") first, or "max" for or',
    ],
    [
      () => allReduce(x(), "mean" as never),
      "ValueError: [allReduce] op: got mean, expected one of sum, product, min, max, avg, band, bor, bxor",
    ],
    [
      () => allReduce([1, 2] as never),
      "DTypeError: [allReduce] tensor: got an array, expected a Tensor; try tensor(...)",
    ],
    [
      () => allReduce(zeros([1]).expand([3])),
      "ShapeError: [allReduce] tensor is expanded: got shape [3] with strides [0], in which several elements share one place; try clone() first",
    ],
    [() => broadcast(x(), 1), "ValueError: [getGroupRank] got rank 1, expected one of the world: 0"],
    [
      () => allGather([x(), x()], x()),
      "ValueError: [allGather] tensorList: got 2 tensors, expected 1, one for each rank of the group",
    ],
    [
      () => allGather([int()], x()),
      'DTypeError: [allGather] tensorList[0]: got int64, expected float32 as the other tensors; try .to("float32")',
    ],
    [() => allGather([zeros([3])], x()), "DistMismatchError: [allGather] the ranks disagree in call"],
    [
      () => allGatherIntoTensor(zeros([3]), x()),
      "ShapeError: [allGatherIntoTensor] output: got shape [3], expected 2 elements, those of the input for each rank",
    ],
    [
      () => gather(x()),
      "ValueError: [gather] gatherList: got object, expected 1, one for each rank of the group",
    ],
    [
      () => scatter(x(), []),
      "ValueError: [scatter] scatterList: got 0 tensors, expected 1, one for each rank of the group",
    ],
    [
      () => reduceScatterTensor(x(), zeros([3])),
      "ShapeError: [reduceScatterTensor] input: got shape [3], expected 2 elements, those of the output for each rank",
    ],
    [
      () => allToAllSingle(x(), x(), { inputSplitSizes: [1] }),
      "ValueError: [allToAllSingle] inputSplitSizes: got [1], expected 1 whole numbers >= 0 that sum to 2",
    ],
    [
      () => allToAllSingle(int(), tensor(1)),
      "ShapeError: [allToAllSingle] input: got a 0-d tensor, expected one with rows",
    ],
    [() => send(x(), 0), "ValueError: [send] dst: got rank 0, this one itself, expected another"],
    [() => recv(x(), 0), "ValueError: [recv] src: got rank 0, this one itself, expected another"],
    [() => isend(x(), 3), "ValueError: [getGroupRank] got rank 3, expected one of the world: 0"],
    [() => new P2POp(send as never, x(), 0), "ValueError: [P2POp] op: expected isend or irecv"],
    [() => newGroup([]), "ValueError: [newGroup] ranks: got none, expected at least one"],
    [() => newGroup([1]), "ValueError: [newGroup] ranks: got 1, expected whole numbers from 0 to 0"],
    [() => getGroupRank(newGroup([0]), 2), "ValueError: [getGroupRank] got rank 2, expected one of group"],
    [
      () => getNodeLocalRank(),
      "ValueError: [getNodeLocalRank] LOCAL_RANK is not set; try npx kindling run, or a fallback rank",
    ],
    [
      () => initProcessGroup(),
      "ValueError: [initProcessGroup] this rank has joined a world already; try destroyProcessGroup() first",
    ],
  ];
  test.each(mistakes.map(([call, said]) => [said, call] as const))("%s", (said, call) => {
    expect(errorOf(call).slice(0, said.length)).toBe(said);
  });
});
