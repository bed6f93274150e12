/** The progress bar: one line that any width of terminal can redraw, plain lines where there is none. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ProgressBar } from "../../examples/lib/progress.js";

let written: string[] = [];
const { isTTY, columns } = process.stdout;

beforeEach(() => {
  written = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  vi.spyOn(console, "log").mockImplementation((line) => {
    written.push(`${line}\n`);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(process.stdout, { isTTY, columns });
});

function epoch(terminal: boolean, width: number): void {
  Object.assign(process.stdout, { isTTY: terminal, columns: width });
  const bar = new ProgressBar("epoch 1/5", 100);
  for (let step = 1; step <= 100; step++)
    bar.update(step, { loss: 0.25, accuracy: 0.975, imagesPerSecond: 123456 });
}

test.each([20, 40, 72, 80, 200])("a terminal of %i columns: no line wraps", (width) => {
  epoch(true, width);
  const lines = written.join("").split("\r\x1b[K").slice(1);
  const last = lines.at(-1) as string;
  expect(last.endsWith("\n")).toBe(true);
  for (const line of lines) expect(line.trimEnd().length).toBeLessThan(width);
  expect(last).toContain(width < 40 ? "epoch 1/5 loss 0.25" : "epoch 1/5 ");
  if (width >= 80)
    expect(last).toMatch(
      /^epoch 1\/5 \[=+\] loss 0\.2500 {2}accuracy 97\.50 % {2}123456 images\/s {2}took 0:00\n$/,
    );
});

test("a bar that ends before it is full leaves the line", () => {
  Object.assign(process.stdout, { isTTY: true, columns: 80 });
  const bar = new ProgressBar("epoch 1/5", 100);
  bar.end();
  expect(written).toEqual([]);
  vi.spyOn(performance, "now").mockReturnValue(performance.now() + 1000);
  bar.update(1, { loss: 0.25 });
  bar.end();
  bar.end();
  expect(written.join("")).toBe(`\r\x1b[Kepoch 1/5 [${" ".repeat(24)}] loss 0.2500  left 1:39\n`);
});

test("no terminal: ten plain lines", () => {
  epoch(false, 80);
  expect(written).toHaveLength(10);
  expect(written[0]).toMatch(
    /^epoch 1\/5 {3}10 % {2}loss 0\.2500 {2}accuracy 97\.50 % {2}123456 images\/s {2}left 0:00\n$/,
  );
});
