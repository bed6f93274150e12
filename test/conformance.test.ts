/** Replays every case recorded from PyTorch: one test a file; what is left out has a reason in the runner's data. */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { findCaseFiles, readCaseFile } from "../conformance/cases.js";
import type { Library } from "../conformance/library.js";
import { replayCase } from "../conformance/replay.js";
import * as kindling from "../src/index.js";

const fixtures = fileURLToPath(new URL("fixtures/conformance", import.meta.url));
const library: Library = kindling;

test.each(findCaseFiles(fixtures).map((path) => [relative(fixtures, path).replace(/\.json\.gz$/, ""), path]))(
  "%s gives PyTorch's outputs, gradients and buffers",
  (_, path) => {
    const { name, cases } = readCaseFile(path);
    const problems = cases
      .map((recorded) => ({ id: recorded.id, outcome: replayCase(library, recorded, name) }))
      .filter(({ outcome }) => outcome.status === "failed" || outcome.missing)
      .map(({ id, outcome }) => `${id}: ${outcome.reason}`);
    expect(problems).toEqual([]);
  },
);
