import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  fromTorchState,
  STATE_BYTES,
  seedHalves,
  seedOf,
  TORCH_STATE_BYTES,
  toTorchState,
} from "../../src/tensor/mt19937.js";

const fixture = JSON.parse(readFileSync(new URL("../fixtures/random.json", import.meta.url), "utf8")) as {
  state: { seed: number; state: string };
};
const recorded = new Uint8Array(Buffer.from(fixture.state.state, "base64"));

describe("generator states pass to PyTorch and back", () => {
  it("keeps every byte of a recorded state, the cached normal sample included", () => {
    const state = fromTorchState(recorded);
    expect(state.length).toBe(STATE_BYTES);
    expect(seedOf(state)).toBe(BigInt(fixture.state.seed));
    expect(new DataView(state.buffer).getInt32(2512, true)).toBe(1); // randn(3) left one sample
    expect(toTorchState(state)).toEqual(recorded);
  });
  it("refuses bytes that are no state", () => {
    expect(() => fromTorchState(new Uint8Array(10))).toThrow(
      /\[setRngState\] wrong state size: got 10 bytes, expected 5056/,
    );
    expect(() => fromTorchState(new Uint8Array(TORCH_STATE_BYTES))).toThrow(
      /invalid mt19937 state: got left 0/,
    );
  });
  it("splits seeds into halves, negative ones wrapped", () => {
    expect(seedHalves(2 ** 40 + 5)).toEqual({ low: 5, high: 256 });
    expect(seedHalves(-1)).toEqual({ low: 0xffffffff, high: 0xffffffff });
  });
});
