/** safetensors: round trips, files, checkpoints of PyTorch, damaged bytes. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { nn, randn, tensor } from "../../src/index.js";
import { load, loadFile, loadMetadata, save, saveFile } from "../../src/io/index.js";

const fixture = fileURLToPath(new URL("../fixtures/linear.safetensors", import.meta.url));

test("a checkpoint of PyTorch loads and gives its outputs", () => {
  const { half, brain, ...state } = loadFile(fixture);
  const model = new nn.Sequential(new nn.Linear(3, 2), new nn.BatchNorm1d(2));
  model.loadStateDict(state);
  model.eval();
  const out = model(
    tensor(
      [
        [1, 2, 3],
        [-1, 0.5, 0.25],
      ],
      { dtype: "float32" },
    ),
  ).toArray() as number[][];
  // Printed by test/fixtures/safetensors.py.
  const expected = [
    [-0.8505098819732666, 0.012487740255892277],
    [0.040798258036375046, 0.8053690791130066],
  ];
  out.flat().forEach((v, i) => {
    expect(v).toBeCloseTo(expected.flat()[i] as number, 6);
  });
  expect(half?.toArray()).toEqual([1.5, -0.25, 2 ** -24, Number.POSITIVE_INFINITY]);
  expect(brain?.at("0:2").toArray()).toEqual([1.5, -0.25]);
  expect(loadMetadata(readFileSync(fixture))).toEqual({ format: "pt" });
});

test("a file written here is read here, in the same bits", () => {
  const folder = mkdtempSync(join(tmpdir(), "kindling-"));
  try {
    const state = new nn.Sequential(new nn.Linear(5, 4), new nn.BatchNorm1d(4)).stateDict();
    saveFile(state, join(folder, "m.safetensors"), { metadata: { made: "here" } });
    const back = loadFile(join(folder, "m.safetensors"));
    expect(Object.keys(back).sort()).toEqual(Object.keys(state).sort());
    for (const [key, t] of Object.entries(state))
      expect([key, back[key]?.dtype, back[key]?.toArray()]).toEqual([key, t.dtype, t.toArray()]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("every dtype and shape survives", () => {
  const dtype = fc.constantFrom("float32", "float64", "int32", "int64", "uint8", "bool" as const);
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 3 }), { maxLength: 3 }), dtype, (shape, kind) => {
      const t = randn(shape)
        .mul(3)
        .to(kind as "float32");
      const back = load(save({ t })).t;
      expect([back?.dtype, back?.shape, back?.toArray()]).toEqual([t.dtype, t.shape, t.toArray()]);
    }),
    { numRuns: 50 },
  );
});

test("damaged bytes are refused", () => {
  const bytes = save({ a: randn([4]) });
  expect(() => load(bytes.subarray(0, bytes.length - 1))).toThrow(/a of shape \[4\] needs 16 bytes/);
  expect(() => load(new Uint8Array([1, 2]))).toThrow(/got 2 bytes, expected at least 8/);
  expect(() => load(new Uint8Array(16).fill(255))).toThrow(/not a safetensors file/);
  expect(() => loadFile("nowhere.safetensors")).toThrow(/got nowhere.safetensors, expected the path/);
});
