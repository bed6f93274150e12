/** DistributedSampler: PyTorch's indices, recorded by test/fixtures/distributedSampler.py. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DistributedSampler } from "../../src/distributed/index.js";

interface Case {
  length: number;
  numReplicas: number;
  shuffle: boolean;
  dropLast: boolean;
  seed: number;
  epoch: number;
  ranks: { length: number; totalSize: number; indices: number[] }[];
}

const file = new URL("../fixtures/distributedSampler.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };

const samplerOf = ({ length, numReplicas, shuffle, dropLast, seed, epoch }: Case, rank: number) => {
  const sampler = new DistributedSampler({ length }, { numReplicas, rank, shuffle, dropLast, seed });
  sampler.setEpoch(epoch);
  return sampler;
};

describe("DistributedSampler", () => {
  test("gives the indices of PyTorch's for 80 combinations of sizes, options, seeds and epochs", () => {
    expect(cases).toHaveLength(80);
    for (const one of cases) {
      one.ranks.forEach((expected, rank) => {
        const sampler = samplerOf(one, rank);
        const got = { length: sampler.length, totalSize: sampler.totalSize, indices: [...sampler] };
        expect(got, JSON.stringify({ ...one, ranks: rank })).toEqual(expected);
      });
    }
  });

  test("walks again in the same order until the epoch changes", () => {
    const sampler = new DistributedSampler({ length: 20 }, { numReplicas: 2, rank: 1 });
    const first = [...sampler];
    expect([...sampler]).toEqual(first);
    sampler.setEpoch(1);
    expect([...sampler]).not.toEqual(first);
  });

  test.each([
    [{ numReplicas: 2, rank: 2 }, "[DistributedSampler] rank is 2, expected one from 0 to 1"],
    [{ numReplicas: 2, rank: -1 }, "[DistributedSampler] rank is -1, expected one from 0 to 1"],
    [{ numReplicas: 0, rank: 0 }, "[DistributedSampler] numReplicas is 0, expected a whole number > 0"],
  ])("refuses %j", (options, message) => {
    expect(() => new DistributedSampler({ length: 4 }, options)).toThrow(message);
  });
});
