/** Random schedules against PyTorch: nested, stepped to given epochs, saved and loaded on the way. */
import { optim, zeros } from "kindling";
import { deepCopy } from "kindling/nn";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { distance, make, recording, spelled } from "./problem.js";

const { lrScheduler: L } = optim;

/** Class, arguments and options of a scheduler; `bases` are of powers, or factors. */
type Schedule = [kind: string, args: unknown[], options: Record<string, unknown> & { bases?: number[] }];

interface Case {
  optimizer: string;
  rates: number[];
  schedule: Schedule;
  events: [kind: "step" | "rate" | "reload", value?: number][];
  /** After each event, the making included: rates, momenta, last rates. */
  trace: number[][][];
}

function build(optimizer: optim.Optimizer, [kind, args, options]: Schedule): optim.lrScheduler.LRScheduler {
  const { bases = [] } = options;
  if (kind === "LambdaLR")
    return new L.LambdaLR(
      optimizer,
      bases.map((b) => (epoch: number) => b ** epoch),
    );
  if (kind === "MultiplicativeLR")
    return new L.MultiplicativeLR(
      optimizer,
      bases.map((b) => () => b),
    );
  const parts = () => (args[0] as Schedule[]).map((s) => build(optimizer, s));
  if (kind === "SequentialLR") return new L.SequentialLR(optimizer, parts(), args[1] as number[]);
  if (kind === "ChainedScheduler") return new L.ChainedScheduler(parts());
  const Class = L[kind as "StepLR"] as unknown as new (...args: unknown[]) => optim.lrScheduler.LRScheduler;
  return new Class(optimizer, ...args, spelled(options));
}

function made({ optimizer: name, rates, schedule }: Case) {
  const groups = rates.map((lr) => ({ params: [zeros([1], { requiresGrad: true })], lr }));
  const optimizer = make(name, groups as never, name === "SGD" ? { momentum: 0.5 } : {});
  return { optimizer, scheduler: build(optimizer, schedule) };
}

function replay(c: Case): number[][][] {
  let { optimizer, scheduler } = made(c);
  return [["made"] as const, ...c.events].map(([kind, value]) => {
    if (kind === "step") {
      optimizer.step();
      (scheduler as { step(to?: number): void }).step(value);
    } else if (kind === "rate") (optimizer.paramGroups[0] as { lr: number }).lr = value as number;
    else if (kind === "reload") {
      const states = deepCopy([optimizer.stateDict(), scheduler.stateDict()] as const);
      ({ optimizer, scheduler } = made(c));
      optimizer.loadStateDict(states[0]);
      scheduler.loadStateDict(states[1]);
    }
    const groups = optimizer.paramGroups as { lr: number; momentum?: number; betas?: number[] }[];
    const momenta = groups.map((g) => g.betas?.[0] ?? g.momentum ?? 0);
    return [groups.map((g) => g.lr), momenta, scheduler.getLastLr()];
  });
}

const cases = recording<Case[]>("schedules.json.gz");

beforeEach(() => void vi.spyOn(console, "warn").mockImplementation(() => {}));
afterEach(() => void vi.restoreAllMocks());

describe.each([...new Set(cases.map((c) => c.schedule[0]))].sort())("%s", (kind) => {
  const own = cases.filter((c) => c.schedule[0] === kind);
  test(`${own.length} schedules as in PyTorch`, () => {
    for (const c of own) {
      // Rates near 0 are differences of larger ones.
      const off = distance(replay(c).flat(2), c.trace.flat(2));
      expect(off, JSON.stringify([c.schedule, c.events])).toBeLessThan(1e-10);
    }
  });
});
