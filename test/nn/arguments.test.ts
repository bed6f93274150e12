/** What the functions of nn.functional say when they are given something else than a tensor. */
import { expect, test } from "vitest";
import { nn, ones } from "../../src/index.js";

/** Parts of the attention functions, called after their checks. */
const INTERNAL = ["checkAttention", "shareHeads"];
const functions = Object.entries(nn.functional) as [string, (...args: unknown[]) => unknown][];

test.each(functions.filter(([name]) => !INTERNAL.includes(name)))(
  "%s names itself and what came",
  (name, call) => {
    const own = name.replace(/_$/, "");
    const message = (got: string) => new RegExp(`^\\[${own}\\] expected a tensor as \\w+, got ${got}`);
    expect(() => call()).toThrow(message("undefined"));
    expect(() => call(null, ones([2, 2]))).toThrow(message("null"));
    expect(() => call([1, 2], ones([2, 2]))).toThrow(message("an array; try tensor\\(\\[...\\]\\)"));
    expect(() => call({}, ones([2, 2]))).toThrow(message("an object"));
  },
);

test("targets and weights are named, too", () => {
  const x = ones([2, 2]);
  expect(() => nn.functional.mseLoss(x, undefined as never)).toThrow(
    "[mseLoss] expected a tensor as target, got undefined",
  );
  expect(() => nn.functional.linear(x, [1, 2] as never)).toThrow(
    "[linear] expected a tensor as weight, got an array; try tensor([...])",
  );
});
