/**
 * What the ports share. Each is a PyTorch program of test/fixtures/ports, written anew line by line: with the same seed
 * it gives the numbers that PyTorch 1.13 gave, in both dtypes.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { manualSeed, type nn, setDefaultDtype, Tensor } from "kindling";
import { afterEach, describe, expect, test } from "vitest";

type Digest = Record<string, number[]>;

/** What a port gives by name: numbers, tensors, lists of them, or the digest of a state dict. */
export type Result = Record<string, unknown>;

/** How a port is compared. */
interface Comparison {
  /** Largest difference in float64, relative to the larger of 1 and the largest number of a list (default 1e-13). */
  float64?: number;
  /** The same in float32 (default 2e-6). */
  float32?: number;
  /**
   * Entries of the state dict that are not compared: their gradient is 0 but for rounding, which Adam and its kin scale
   * to steps of full size (a bias before a BatchNorm, the bias of the keys of an attention).
   */
  noise?: RegExp;
}

/** A tensor as numbers: all of a small one, of others two sums and the first three. */
function numbers(x: unknown): number[] {
  if (Array.isArray(x)) return x.flatMap(numbers);
  if (!(x instanceof Tensor)) return [Number(x)];
  const flat = x.detach().double().flatten();
  const all = flat.toArray() as number[];
  return x.numel <= 16 ? all : [flat.sum().item(), flat.abs().sum().item(), ...all.slice(0, 3)];
}

/** The state dict as numbers: two sums and the first element of each entry. */
export function weights(model: nn.AnyModule): Digest {
  const digest: Digest = {};
  for (const [key, value] of Object.entries(model.stateDict())) {
    const flat = value.double().flatten();
    digest[key] = [flat.sum().item(), flat.abs().sum().item(), flat.at(0).item()];
  }
  return digest;
}

/** All numbers by name; those of a state dict one entry after the other. */
function entries(result: Result): [string, number[]][] {
  return Object.entries(result).flatMap(([name, value]): [string, number[]][] => {
    const digest =
      typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Tensor);
    if (!digest) return [[name, numbers(value)]];
    return Object.entries(value as Digest).map(([key, v]): [string, number[]] => [`${name} ${key}`, v]);
  });
}

/** How far numbers are from those expected, relative to the larger of 1 and the largest of these. */
function distance(got: readonly number[], want: readonly number[]): number {
  const scale = Math.max(1, ...want.map(Math.abs));
  if (got.length !== want.length) return Number.POSITIVE_INFINITY;
  return Math.max(
    0,
    ...got.map((x, i) => (Object.is(x, want[i]) ? 0 : Math.abs(x - (want[i] as number)) / scale)),
  );
}

/** Tests that each port gives the numbers recorded under its name in test/fixtures/ports. */
export function comparePorts(
  file: string,
  ports: Readonly<Record<string, () => Result>>,
  comparisons: Readonly<Record<string, Comparison>> = {},
): void {
  const path = new URL(`../fixtures/ports/${file}.json.gz`, import.meta.url);
  const recorded = JSON.parse(gunzipSync(readFileSync(path)).toString()) as Record<
    string,
    Record<string, Result>
  >;
  afterEach(() => setDefaultDtype("float32"));
  test("every recorded port is here", () => {
    expect(Object.keys(ports)).toEqual(Object.keys(recorded));
  });
  describe.each(Object.entries(ports))("%s", (name, port) => {
    test.each(["float64", "float32"] as const)("%s", (dtype) => {
      const { float64 = 1e-13, float32 = 2e-6, noise } = comparisons[name] ?? {};
      const limit = dtype === "float64" ? float64 : float32;
      setDefaultDtype(dtype);
      manualSeed(0);
      const got = entries(port());
      const want = entries(recorded[name]?.[dtype] as Result);
      expect(got.map(([key]) => key)).toEqual(want.map(([key]) => key));
      const far = want.flatMap(([key, numbers], i) => {
        const have = (got[i] as [string, number[]])[1];
        const d = noise?.test(key) === true ? 0 : distance(have, numbers);
        return d <= limit ? [] : [`${key}: ${d.toExponential(1)}, got ${have}, expected ${numbers}`];
      });
      expect(far).toEqual([]);
    });
  });
}
