/** Every example in a short form: it learns, its files are what they should be, the same seed gives the same run. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";
import { tensor } from "kindling";
import { loadFile } from "kindling/io";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import * as batchnorm from "../../examples/batchnorm/main.js";
import * as charGpt from "../../examples/charGpt/main.js";
import * as charLstm from "../../examples/charLstm/main.js";
import * as distributed from "../../examples/distributed/main.js";
import { type OptionSpecs, type OptionValues, readOptions } from "../../examples/lib/command.js";
import * as vae from "../../examples/vae/main.js";

const folder = mkdtempSync(join(tmpdir(), "kindling-examples-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  vi.spyOn(console, "log").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

function options<S extends OptionSpecs>(specs: S, ...argv: string[]): OptionValues<S> {
  const read = readOptions(specs, [...argv, "--out", folder]);
  if (read === "help") throw new Error("no help asked for");
  return read;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Width, height and pixels of a PNG file with 8-bit grey and no filters. */
function decodePng(bytes: Buffer): { width: number; height: number; pixels: Uint8Array } {
  expect([...bytes.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  const at = bytes.indexOf("IDAT");
  const rows = inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)));
  expect(rows.length).toBe(height * (width + 1));
  const pixels = Uint8Array.from(
    { length: width * height },
    (_, i) => rows[i + 1 + Math.floor(i / width)] as number,
  );
  return { width, height, pixels };
}

describe("charLstm", () => {
  const short = () =>
    charLstm.train(
      options(
        charLstm.OPTIONS,
        ..."--steps 60 --batch-size 16 --length 32 --hidden 64 --lr 0.01 --sample 40".split(" "),
      ),
    );

  test("learns, writes a sample that goes on from the prompt, saves its weights", () => {
    const { losses, sample } = short();
    expect(losses[0]).toBeGreaterThan(4); // log of 91 characters is 4.5
    expect(mean(losses.slice(-5))).toBeLessThan(2.9);
    expect(sample).toHaveLength("interface ".length + 40);
    expect(sample.startsWith("interface ")).toBe(true);
    const saved = loadFile(join(folder, "model.safetensors"));
    expect(saved["lstm.weight_hh_l0"]?.shape).toEqual([256, 64]);
    expect(readFileSync(join(folder, "loss.svg"), "utf8")).toMatch(/^<svg .*<polyline .*<\/svg>\n$/s);
  });

  test("the same seed gives the same losses and the same text", () => {
    expect(short()).toEqual(short());
  });
});

describe("charGpt", () => {
  const argv =
    "--steps 60 --batch-size 8 --length 32 --width 48 --heads 3 --depth 2 --lr 0.01 --sample 40".split(" ");
  const short = (...more: string[]) => charGpt.train(options(charGpt.OPTIONS, ...argv, ...more));

  test("learns, writes a sample that goes on from the prompt, saves its weights", () => {
    const { losses, sample } = short("--prompt", "type ");
    expect(losses[0]).toBeGreaterThan(4);
    expect(mean(losses.slice(-5))).toBeLessThan(2.9);
    expect(sample).toHaveLength("type ".length + 40);
    expect(sample.startsWith("type ")).toBe(true);
    expect(loadFile(join(folder, "model.safetensors"))["blocks.1.qkv.weight"]?.shape).toEqual([144, 48]);
  });

  test("the same seed gives the same losses and the same text, another seed others", () => {
    const first = short();
    expect(short()).toEqual(first);
    expect(short("--seed", "2").losses).not.toEqual(first.losses);
  });

  test("a character sees only what came before it", () => {
    const { CharGpt } = charGpt;
    const model = new CharGpt(10, 12, 3, 2, 8);
    const randomText = Array.from({ length: 8 }, (_, i) => (i * 7) % 10);
    const logits = (text: number[]) =>
      model(tensor([text]))
        .at(0, "0:5")
        .toArray();
    expect(logits([...randomText.slice(0, 5), 1, 2, 3])).toEqual(logits(randomText));
  });

  test("refuses heads that do not divide the width", () => {
    expect(() => short("--heads", "5")).toThrow("--width 48: expected a multiple of --heads 5");
  });
});

describe("vae", () => {
  const argv =
    "--epochs 4 --limit 600 --batch-size 50 --hidden 64 --latent 8 --rows 4 --columns 5 --lr 0.003".split(
      " ",
    );
  const short = () => vae.train(options(vae.OPTIONS, ...argv));

  test("learns, and draws a row of digits each time", () => {
    const { losses, picture } = short();
    expect(losses).toHaveLength(48);
    expect(losses[0]).toBeGreaterThan(500); // 784 log 2 = 543 for grey noise
    expect(mean(losses.slice(-4))).toBeLessThan(230);
    const file = readFileSync(join(folder, "samples.png"));
    expect(file.equals(picture)).toBe(true);
    const { width, height, pixels } = decodePng(file);
    expect([width, height]).toEqual([2 * (5 * 30 + 2), 2 * (4 * 30 + 2)]);
    // Untrained, the model draws noise around mid-grey; digits are bright in the middle and black at the corners.
    const part = (row: number, from: number, to: number) => {
      const values: number[] = [];
      for (let y = 2 * (30 * row + 2 + from); y < 2 * (30 * row + 2 + to); y++) {
        for (let x = 2 * (2 + from); x < 2 * (2 + to); x++) values.push(pixels[y * width + x] as number);
      }
      return mean(values);
    };
    expect(Math.abs(part(0, 10, 18) - part(0, 0, 5))).toBeLessThan(10);
    expect(part(3, 10, 18) - part(3, 0, 5)).toBeGreaterThan(25);
  });

  test("the same seed gives the same losses and the same picture", () => {
    expect(short()).toEqual(short());
  });
});

describe("batchnorm", () => {
  const argv = "--steps 40 --depth 8 --width 40 --limit 2000".split(" ");
  const short = () => batchnorm.compare(options(batchnorm.OPTIONS, ...argv));

  test("values and gradients fade with depth without BatchNorm, and keep their size with it", () => {
    const { without, with: normed } = short();
    expect(without.before).toHaveLength(8);
    expect(without.before.at(-1)?.std).toBeLessThan(0.2 * (without.before[0]?.std as number));
    for (const layer of normed.before) expect(layer.std).toBeCloseTo(1, 1);
    expect(without.gradients[0]).toBeLessThan(0.01 * (normed.gradients[0] as number));
    expect(mean(without.losses.slice(-5))).toBeGreaterThan(2.2);
    expect(mean(normed.losses.slice(-5))).toBeLessThan(1.2);
    expect(normed.accuracy).toBeGreaterThan(without.accuracy + 0.3);
    const svg = readFileSync(join(folder, "activations.svg"), "utf8");
    expect(svg.match(/<polygon /g)).toHaveLength(8);
    expect(svg.match(/<polyline /g)).toHaveLength(8);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("the same seed gives the same run", () => {
    expect(short()).toEqual(short());
  });
});

describe("distributed", () => {
  const argv = (ranks: number) => `--ranks ${ranks} --steps 25 --batch-size 24 --limit 600 --dtype float64`;
  // The ranks are threads of their own, which read TypeScript and find kindling by themselves.
  beforeEach(() => {
    vi.stubEnv("TSX_TSCONFIG_PATH", fileURLToPath(new URL("../../tsconfig.check.json", import.meta.url)));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  const read = (text: string) => {
    const values = readOptions(distributed.OPTIONS, text.split(" "));
    if (values === "help") throw new Error("no help asked for");
    return values;
  };

  test.each([1, 2, 3])("%i ranks: the losses of one process to 1e-12, and it learns", async (ranks) => {
    const { together, alone, worst } = await distributed.trainBoth(read(argv(ranks)));
    expect(together.losses).toHaveLength(25);
    expect(together.ranks).toBe(ranks);
    // Sums over ranks come in another order: rounding of float64, which 25 steps carry on.
    expect(worst).toBeLessThan(1e-12);
    expect(together.accuracy).toBeCloseTo(alone.accuracy, 12);
    expect(mean(alone.losses.slice(-5))).toBeLessThan(0.5 * (alone.losses[0] as number));
  });

  test("a batch that cannot be shared out is refused", async () => {
    await expect(distributed.trainBoth(read(argv(5)))).rejects.toThrow(
      "--batch-size 24: expected a multiple of 5, the number of ranks",
    );
  });
});
