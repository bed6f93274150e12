/** Finding the MPI library, and what is said when something is missing. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { localThreads } from "../../src/distributed/mpi/localThreads.js";
import { growTo, mem } from "../../src/kernels/index.js";
import { bundle } from "./mpirun.js";

const entry = bundle(
  "library",
  `import { initProcessGroup, isMpiAvailable } from "kindling/distributed";
   console.log(isMpiAvailable());
   initProcessGroup(process.argv[2]);`,
);
afterAll(async () => rmSync(await entry));

/** Runs a program that joins a world, as if a launcher had started it. */
function join1(file: string, env: Readonly<Record<string, string>>, backend = "mpi") {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(PMI|PMIX|OMPI|KINDLING)_/.test(name)),
  );
  const child = spawnSync(process.execPath, [file, backend], {
    env: { ...clean, NO_COLOR: "1", ...env },
    encoding: "utf8",
    timeout: 60_000,
  });
  const message = /^DistBackendError: .*$/m.exec(child.stderr)?.[0] ?? child.stderr;
  return { code: child.status, available: child.stdout.trim(), message };
}

describe("one line that says what to do", () => {
  test("koffi is not installed", async () => {
    const directory = mkdtempSync(join(tmpdir(), "kindling-no-koffi-"));
    const file = join(directory, "program.mjs");
    copyFileSync(await entry, file);
    const { code, available, message } = join1(file, { PMI_RANK: "0" });
    rmSync(directory, { recursive: true });
    expect([code, available]).toEqual([1, "false"]);
    expect(message).toMatch(
      /^DistBackendError: \[mpi\] the package koffi, .* is not installed: try "npm install koffi"$/,
    );
  });

  test("the library that KINDLING_MPI_LIBRARY names is not there", async () => {
    const env = { PMI_RANK: "0", KINDLING_MPI_LIBRARY: "/nowhere/libmpi.so" };
    const { code, available, message } = join1(await entry, env);
    expect([code, available]).toEqual([1, "false"]);
    expect(message).toBe(
      'DistBackendError: [mpi] KINDLING_MPI_LIBRARY: cannot load "/nowhere/libmpi.so"; try the path of libmpi.so or libmpich.so, or leave it unset',
    );
  });

  test("a file that is a library, but not of MPI", async () => {
    const env = { PMI_RANK: "0", KINDLING_MPI_LIBRARY: "libc.so.6" };
    const { code, available, message } = join1(await entry, env);
    expect([code, available]).toEqual([1, "false"]);
    expect(message).toBe(
      "DistBackendError: [mpi] libc.so.6 has no function MPI_Init_thread, so it is no MPI library; " +
        'try "apt-get install mpich" or "apt-get install openmpi-bin", or set KINDLING_MPI_LIBRARY to the library\'s file',
    );
  });

  test("no launcher started this process", async () => {
    const { code, message } = join1(await entry, {});
    expect(code).toBe(1);
    expect(message).toBe(
      "DistBackendError: [initProcessGroup] this is not a rank of a mpi world; try mpirun -n 4 node train.js",
    );
  });
});

test("the address of the heap as koffi sees it: no copy, and the same after the memory grew", () => {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const before = koffi.address(mem.u8);
  mem.u8[12345] = 77;
  expect(koffi.decode(before + 12345n, "uint8_t")).toBe(77);
  const size = mem.u8.length;
  expect(growTo(size + 64 * 1024 * 1024)).toBe(true);
  expect(koffi.address(mem.u8)).toBe(before);
  mem.u8[size + 1] = 78;
  expect(koffi.decode(before + BigInt(size + 1), "uint8_t")).toBe(78);
});

describe("kernel threads of ranks that share a machine", () => {
  const cores = availableParallelism();
  const bound = cores < cpus().length;
  test.each([
    [{}, null],
    [{ KINDLING_THREADS: "3", MPI_LOCALNRANKS: "2" }, null],
    [{ MPI_LOCALNRANKS: "1" }, cores],
    [{ MPI_LOCALNRANKS: "2" }, bound ? cores : Math.max(1, Math.floor(cores / 2))],
    [{ OMPI_COMM_WORLD_LOCAL_SIZE: "1000" }, bound ? cores : 1],
  ])("%j: %s", (env, threads) => {
    expect(localThreads(env)).toBe(threads);
  });
});
