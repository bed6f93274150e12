/** DistributedDataParallel when a rank does not come to the backward: who is missing, and which gradients wait for it. */
import { launch } from "kindling/distributed";
import { expect, test } from "vitest";
import { RANK_ENV } from "./onThreads.js";
import type { Ending } from "./ranks/ddpFailures.js";

const ENTRY = new URL("./ranks/ddpFailures.ts", import.meta.url);

const run = (odd: string, timeout: number) =>
  launch<Ending | null>(ENTRY, { worldSize: 3, name: "backward", args: [odd, timeout], env: RANK_ENV });

const WHERE = "\n  in DistributedDataParallel, averaging the gradients of 2.bias, 2.weight, 0.bias, 0.weight";

test("a rank that stays away: the others time out, with its number and the gradients, which are as they were", async () => {
  const endings = await run("sleeps", 1000);
  for (const rank of [0, 2]) {
    const { name, message, untouched } = endings[rank] as Ending;
    // Who comes to the end of its time first tells the other.
    expect(["DistTimeoutError", "RankFailedError"]).toContain(name);
    expect(message).toMatch(/rank 1 did not join/);
    expect(message).toContain(WHERE);
    expect(untouched).toBe(true);
  }
});

test("a rank that has ended: the others are told at once", async () => {
  const endings = await run("ends", 60_000);
  for (const rank of [0, 2]) {
    const { name, message, untouched } = endings[rank] as Ending;
    expect(name).toBe("RankFailedError");
    expect(message).toMatch(/rank [012] /);
    expect(message).toContain(WHERE);
    expect(untouched).toBe(true);
  }
});

test("a rank that throws: its error ends all", async () => {
  await expect(run("throws", 60_000)).rejects.toThrow("in the loss of rank 1");
});
