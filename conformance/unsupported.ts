/** Cases that the runner leaves out or compares in part, each with the reason it prints. */
import type { Case } from "./cases.js";
import { isModuleCase } from "./cases.js";

/** Names (of files) that are left out whole. */
const NAMES: Readonly<Record<string, string>> = {
  half: "no half precision",
  bfloat16: "no half precision",
  char: "no 8-bit signed integers",
  short: "no 16-bit integers",
  cfloat: "no complex numbers",
  cdouble: "no complex numbers",
  chalf: "no complex numbers",
};

/** Case ids that are left out. */
const CASES: readonly { readonly pattern: RegExp; readonly reason: string }[] = [];

/** Functions whose values come from an unseeded generator: only shapes and dtypes mean anything. */
const RANDOM = new Set(["torch.rand_like", "torch.randn_like", "torch.randint_like"]);

/** Why a case is left out, or undefined. */
export function reasonToSkip(name: string, recorded: Case): string | undefined {
  return NAMES[name] ?? CASES.find(({ pattern }) => pattern.test(recorded.id))?.reason;
}

/** Whether only the shape and dtype of a case's output can be compared. */
export function isShapeOnly(recorded: Case): boolean {
  return !isModuleCase(recorded) && RANDOM.has(recorded.fn);
}
