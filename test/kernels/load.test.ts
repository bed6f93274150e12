import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import {
  growTo,
  HEAP_BASE,
  kernelNames,
  kernels,
  maxBytes,
  mem,
  memory,
  putInts,
  putScalar,
  shared,
} from "../../src/kernels/index.js";
import { INTS, SCALARS } from "../../src/kernels/layout.js";

describe("memory", () => {
  it("is shared and can grow to 4 GiB in Node", () => {
    expect(shared).toBe(true);
    expect(maxBytes).toBe(2 ** 32);
  });

  it("renews the views when it grows, and keeps its contents", () => {
    mem.f32[HEAP_BASE / 4] = 1.5;
    const before = memory.buffer.byteLength;
    expect(growTo(before + 1)).toBe(true);
    expect(mem.f32[HEAP_BASE / 4]).toBe(1.5);
    for (const view of Object.values(mem)) expect(view.byteLength).toBe(before + 65536);
  });

  it("refuses more than the maximum and changes nothing", () => {
    const before = mem.u8;
    expect(growTo(maxBytes + 1)).toBe(false);
    expect(mem.u8).toBe(before);
  });
});

describe("argument rings", () => {
  it("hold 64 scalars before the first is overwritten", () => {
    const first = putScalar(7, "i32");
    for (let i = 1; i < 64; i++) putScalar(i, "i32");
    expect(mem.i32[first / 4]).toBe(7);
    expect(putScalar(8, "i32")).toBe(first);
  });

  it.each([
    ["f32", 0.1, () => mem.f32[SCALARS / 4]],
    ["f64", 0.1, () => mem.f64[SCALARS / 8]],
    ["i32", -5, () => mem.i32[SCALARS / 4]],
    ["i64", -5, () => mem.i64[SCALARS / 8]],
    ["u8", 200, () => mem.u8[SCALARS]],
  ] as const)("write %s", (type, value, read) => {
    while (putScalar(0, "u8") !== SCALARS + 63 * 16);
    expect(putScalar(value, type)).toBe(SCALARS);
    expect(Number(read())).toBe(type === "f32" ? Math.fround(value) : value);
  });

  it("keep descriptors 16-byte aligned, below the heap, and whole", () => {
    for (let i = 0; i < 1000; i++) {
      const values = Array.from({ length: 1 + (i % 97) }, (_, j) => i * j);
      const at = putInts(values);
      expect(at % 16).toBe(0);
      expect(at).toBeGreaterThanOrEqual(INTS);
      expect(at + 4 * values.length).toBeLessThanOrEqual(HEAP_BASE);
      expect([...mem.i32.subarray(at / 4, at / 4 + values.length)]).toEqual(values);
    }
  });
});

describe("kernels", () => {
  it("are functions, one for each name", () => {
    expect(kernelNames.length).toBeGreaterThan(100);
    for (const name of kernelNames) expect(typeof kernels[name]).toBe("function");
  });

  it("run on an unshared memory, with one thread, where there is no SharedArrayBuffer", () => {
    const code = `
      delete globalThis.SharedArrayBuffer;
      import("./src/kernels/index.ts").then((k) => {
        k.setNumThreads(4);
        k.growTo(2 ** 24);
        const [x, out] = [k.HEAP_BASE, 2 ** 23];
        k.mem.f32.fill(2, x / 4, x / 4 + 100);
        for (const i of [0, 50]) k.push("add_f32", x + 4 * i, x, out + 4 * i, 1, 50, 0, 1, 0, 1);
        k.runAll();
        console.log(k.shared, k.getNumThreads(), k.mem.f32[out / 4 + 99]);
      });
    `;
    const args = ["--import", "tsx", "--input-type=module", "-e", code];
    expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toBe("false 1 4\n");
  });

  it("name the variable and the value when KINDLING_KERNELS is wrong", () => {
    const run = () =>
      execFileSync(process.execPath, ["--import", "tsx", "src/kernels/index.ts"], {
        env: { ...process.env, KINDLING_KERNELS: "avx" },
        stdio: "pipe",
        encoding: "utf8",
      });
    expect(run).toThrow('[kernels] KINDLING_KERNELS: got "avx", expected "simd128" or "relaxed"');
  });
});
