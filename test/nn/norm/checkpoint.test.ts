/** A model of PyTorch with every normalization layer: its checkpoint loads, gives the same outputs and goes on training. */
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { nn, type Tensor } from "../../../src/index.js";
import { load, loadFile, save } from "../../../src/io/index.js";
import { errorOf, numbers } from "./reference.js";

// Written by test/fixtures/normModel.py.
const file = loadFile(fileURLToPath(new URL("../../fixtures/normModel.safetensors", import.meta.url)));
const given = (key: string) => file[key] as Tensor;
const state = Object.fromEntries(Object.entries(file).filter(([key]) => /^\d/.test(key)));

const build = () =>
  new nn.Sequential(
    new nn.Conv2d(2, 6, 3),
    new nn.BatchNorm2d(6),
    new nn.ReLU(),
    new nn.InstanceNorm2d(6, { affine: true, trackRunningStats: true }),
    new nn.GroupNorm(3, 6),
    new nn.LocalResponseNorm(3),
    new nn.Flatten(),
    new nn.LayerNorm(96),
    new nn.Linear(96, 5),
    new nn.BatchNorm1d(5, { momentum: null }),
  );

describe("a checkpoint of PyTorch", () => {
  test("has the keys of the model here, and loads strictly", () => {
    const model = build();
    expect(model.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(Object.keys(model.stateDict())).toEqual(Object.keys(state));
  });

  test("gives PyTorch's outputs in eval and in training mode, to 1e-5", () => {
    const model = build();
    model.loadStateDict(state);
    expect(errorOf(model.eval()(given("input")), numbers(given("output in eval mode")))).toBeLessThan(1e-5);
    expect(errorOf(model.train()(given("input")), numbers(given("output in training mode")))).toBeLessThan(
      1e-5,
    );
  });

  test("goes on: the statistics after one more batch are PyTorch's, to 1e-6", () => {
    const model = build();
    model.loadStateDict(state);
    model(given("input"));
    const after = model.stateDict();
    const wanted = Object.keys(file).filter((key) => key.startsWith("afterwards "));
    expect(wanted.length).toBe(5);
    for (const key of wanted) {
      expect(
        errorOf(after[key.slice("afterwards ".length)] as Tensor, numbers(given(key))),
        key,
      ).toBeLessThan(1e-6);
    }
  });

  test("goes back: what is saved here holds the same names, types, shapes and bits", () => {
    const model = build();
    model.loadStateDict(state);
    const back = load(save(model.stateDict()));
    expect(Object.keys(back).sort()).toEqual(Object.keys(state).sort());
    for (const [key, t] of Object.entries(state)) {
      expect([key, back[key]?.dtype, back[key]?.shape]).toEqual([key, t.dtype, t.shape]);
      expect(numbers(back[key] as Tensor)).toEqual(numbers(t));
    }
  });
});
