/** Every public name of PyTorch is there or left out with a reason, and docs/compatibility.md says so. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as kindling from "kindling";
import * as data from "kindling/data";
import { describe, expect, test } from "vitest";
import { SIGNATURE_LINES } from "../conformance/signature-lines.js";
import { renderPage } from "../scripts/compatibility/page.js";
import { PRELUDE, RULES } from "../scripts/compatibility/rules.js";
import { exists, readEntries, survey } from "../scripts/compatibility/surface.js";
import { instrument } from "./docs/snippets.js";

const root = resolve(import.meta.dirname, "..");

describe("names", () => {
  test("each is in the library, or names.txt says what takes its place or why it is left out", () => {
    expect(
      survey().flatMap(({ entry, problem }) => (problem === "" ? [] : [`${entry.name}: ${problem}`])),
    ).toEqual([]);
  });

  test("none is listed twice", () => {
    const names = readEntries().map((entry) => entry.name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    expect(names.length).toBeGreaterThan(1200);
  });

  test("all that the conformance runner knows are among them", () => {
    const names = new Set(readEntries().map((entry) => entry.name));
    const signatures = SIGNATURE_LINES.trim()
      .split("\n")
      .map((line) => line.slice(0, line.indexOf("(")));
    expect(signatures.filter((name) => !names.has(name))).toEqual([]);
  });

  test("all layers of the recorded cases are among them", () => {
    const names = new Set(readEntries().map((entry) => entry.name));
    const recorded = readdirSync(join(root, "test/fixtures/conformance/modules")).map((f) =>
      f.replace(".json.gz", ""),
    );
    expect(recorded.filter((name) => !names.has(name))).toEqual([]);
  });

  test("a name that is not there is found missing", () => {
    expect(exists("nn.Conv2d")).toBe(true);
    expect(exists("Tensor.add_")).toBe(true);
    expect(exists("nn.Conv7d")).toBe(false);
    expect(exists("Tensor.subb")).toBe(false);
    expect(exists("nn.utils.nothing.atAll")).toBe(false);
  });
});

test("docs/compatibility.md is up to date: npm run docs:compatibility writes it", () => {
  expect(readFileSync(join(root, "docs/compatibility.md"), "utf8") === renderPage()).toBe(true);
});

test.each(RULES)("$kindling", async ({ kindling: code }) => {
  const { script } = instrument(`${PRELUDE}{ ${code} }`);
  const scope = {
    ...kindling,
    TensorDataset: data.TensorDataset,
    DataLoader: data.DataLoader,
    console: { log: String },
  };
  const names = Object.keys(scope).filter((name) => name !== "var");
  const make = new Function(...names, `${script}\nreturn snippet;`);
  await make(...names.map((name) => (scope as Record<string, unknown>)[name]))();
});
