/** The cart-pole example: the game's mechanics, the returns, and that the pole ends up balanced. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { loadFile } from "kindling/io";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CartPole, type State } from "../../examples/cartPole/cartPole.js";
import { OPTIONS, returnsOf, train } from "../../examples/cartPole/main.js";
import { readOptions } from "../../examples/lib/command.js";

const folder = mkdtempSync(join(tmpdir(), "kindling-cartPole-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  vi.spyOn(console, "log").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

const at = (state: State) => {
  const game = new CartPole();
  game.state = state;
  return game;
};

describe("the game", () => {
  test("one push from rest: the cart goes with it, the pole leans against it", () => {
    // F = 10 N on 1.1 kg: 9.0909 m/s²; the pole turns by -9.0909 / (0.5 (4/3 - 0.1/1.1)) = -14.6341 rad/s².
    const { state } = at([0, 0, 0, 0]).step(1);
    const expected = [
      0,
      0.02 * (10 / 1.1 + (0.05 * 14.634146341463415) / 1.1),
      0,
      -0.02 * 14.634146341463415,
    ];
    state.forEach((v, i) => {
      expect(v).toBeCloseTo(expected[i] as number, 12);
    });
  });

  test("left and right are mirror images", () => {
    const number = fc.double({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(number, number, number, number), fc.boolean(), (state, right) => {
        const mirrored = state.map((v) => -v) as unknown as State;
        const [a, b] = [at(state).step(right ? 1 : 0), at(mirrored).step(right ? 0 : 1)];
        a.state.forEach((v, i) => {
          expect(b.state[i]).toBeCloseTo(-v, 14);
        });
        expect(a.fallen).toBe(b.fallen);
      }),
    );
  });

  test("it is over beyond the track, and beyond 12 degrees", () => {
    expect(at([2.5, 0, 0, 0]).step(0).fallen).toBe(true);
    expect(at([0, 0, 0.21, 0]).step(0).fallen).toBe(true);
    expect(at([2.3, 0, 0.2, 0]).step(0).fallen).toBe(false);
  });
});

test("returns add up from the end, discounted", () => {
  expect(returnsOf(3, 0.5)).toEqual([1.75, 1.5, 1]);
});

test.each([1, 2])("seed %i: the pole is balanced within 500 episodes", (seed) => {
  const options = readOptions(OPTIONS, ["--seed", String(seed), "--out", folder]);
  if (options === "help") throw new Error("no help asked for");
  const { lengths, policy } = train(options);
  expect(lengths.slice(0, 10).reduce((a, b) => a + b) / 10).toBeLessThan(60);
  expect(lengths.slice(-20).reduce((a, b) => a + b) / 20).toBeGreaterThanOrEqual(195);
  policy.loadStateDict(loadFile(join(folder, "model.safetensors")));
});
