/** Timing of workloads, beside PyTorch in the same run where a python3 with torch is present. */
import { spawnSync } from "node:child_process";

/** One thing to time. */
export interface Workload {
  readonly name: string;
  /** Prepares data and returns the step that is timed. */
  readonly kindling: () => () => unknown;
  /** Python that prepares data and defines `step()`; torch, F and nn are imported. */
  readonly pytorch?: string;
  /** Floating-point operations of a step, to print GFLOP/s too. */
  readonly flops?: number;
}

/** Times of one workload in milliseconds. */
export interface Timing {
  kindling_ms: number;
  pytorch_ms?: number;
  /** pytorch / kindling: above 1, Kindling is faster. */
  ratio?: number;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}

/** Median time of a step in milliseconds: batches long enough for the clock, for about `seconds`. */
export function time(step: () => unknown, seconds = 1): number {
  const until = performance.now() + 300 * seconds;
  let warm = 0;
  do {
    step();
    warm++;
  } while (performance.now() < until || warm < 3);
  const batch = Math.max(1, Math.ceil(warm / (300 * seconds)));
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  do {
    const start = performance.now();
    for (let i = 0; i < batch; i++) step();
    times.push((performance.now() - start) / batch);
  } while (performance.now() < end || times.length < 5);
  return median(times);
}

const PROGRAM = `
import json, sys, time
import torch, torch.nn as nn, torch.nn.functional as F
def timed(step, seconds):
    until = time.perf_counter() + 0.3 * seconds
    warm = 0
    while warm < 3 or time.perf_counter() < until:
        step(); warm += 1
    batch = max(1, -(-warm // max(1, int(300 * seconds))))
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(batch): step()
        times.append((time.perf_counter() - start) / batch * 1e3)
    times.sort()
    return times[len(times) // 2]
job = json.load(sys.stdin)
result = {}
for threads in job["threads"]:
    torch.set_num_threads(threads)
    for name, code in job["snippets"]:
        torch.manual_seed(0)
        scope = {"torch": torch, "nn": nn, "F": F}
        exec(code, scope)
        result.setdefault(name, {})[threads] = timed(scope["step"], job["seconds"])
json.dump(result, sys.stdout)
`;

/**
 * Environments that hold PyTorch, OpenBLAS and oneDNN to narrower vectors than the machine has: 8 floats as on most
 * desktops, or the 4 of WebAssembly.
 */
const INSTRUCTION_SETS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  avx2: { ATEN_CPU_CAPABILITY: "avx2", OPENBLAS_CORETYPE: "HASWELL", ONEDNN_MAX_CPU_ISA: "AVX2" },
  sse4: { ATEN_CPU_CAPABILITY: "default", OPENBLAS_CORETYPE: "NEHALEM", ONEDNN_MAX_CPU_ISA: "SSE41" },
};

/** A Python that has torch; null where there is none. */
export function findPython(): string | null {
  const candidates = [process.env.KINDLING_PYTHON, "python3", "/usr/bin/python3"];
  for (const python of candidates) {
    if (python === undefined) continue;
    if (spawnSync(python, ["-c", "import torch"], { stdio: "ignore" }).status === 0) return python;
  }
  return null;
}

/** PyTorch's times per workload and thread count, in milliseconds; empty where there is no PyTorch. */
export function timePytorch(
  workloads: readonly Workload[],
  threads: readonly number[],
  seconds = 1,
  isa?: string,
): Map<string, Map<number, number>> {
  const limits = isa === undefined ? {} : INSTRUCTION_SETS[isa];
  if (limits === undefined) {
    throw new Error(`--isa: got ${isa}, expected ${Object.keys(INSTRUCTION_SETS).join(" or ")}`);
  }
  const snippets = workloads.flatMap((w) => (w.pytorch === undefined ? [] : [[w.name, w.pytorch]]));
  const python = snippets.length === 0 ? null : findPython();
  const result = new Map<string, Map<number, number>>();
  if (python === null) return result;
  const input = JSON.stringify({ snippets, threads, seconds });
  const env = { ...process.env, ...limits };
  const child = spawnSync(python, ["-c", PROGRAM], { input, env, encoding: "utf8", maxBuffer: 1 << 26 });
  if (child.status !== 0) throw new Error(`PyTorch's part failed: ${child.stderr}`);
  for (const [name, times] of Object.entries(
    JSON.parse(child.stdout) as Record<string, Record<string, number>>,
  )) {
    result.set(name, new Map(Object.entries(times).map(([n, ms]) => [Number(n), ms])));
  }
  return result;
}

/** Times workloads on both sides. PyTorch counts with its better thread count. */
export function run(
  workloads: readonly Workload[],
  options: { seconds?: number; threads?: readonly number[]; isa?: string | undefined } = {},
): Record<string, Timing> {
  const seconds = options.seconds ?? 1;
  const theirs = timePytorch(workloads, options.threads ?? [1, 2], seconds, options.isa);
  const out: Record<string, Timing> = {};
  for (const w of workloads) {
    const kindling_ms = time(w.kindling(), seconds);
    const times = theirs.get(w.name);
    const best = times === undefined ? undefined : Math.min(...times.values());
    out[w.name] =
      best === undefined ? { kindling_ms } : { kindling_ms, pytorch_ms: best, ratio: best / kindling_ms };
  }
  return out;
}

function show(ms: number): string {
  return ms >= 1 ? `${ms.toFixed(2)} ms` : `${(1000 * ms).toFixed(2)} us`;
}

/** Prints timings as a table. */
export function print(workloads: readonly Workload[], timings: Readonly<Record<string, Timing>>): void {
  const row = (cells: readonly string[]) =>
    console.log(cells.map((c, i) => (i === 0 ? c.padEnd(34) : c.padStart(13))).join(""));
  row(["workload", "Kindling", "PyTorch", "ratio", "GFLOP/s"]);
  for (const w of workloads) {
    const t = timings[w.name];
    if (t === undefined) continue;
    row([
      w.name,
      show(t.kindling_ms),
      t.pytorch_ms === undefined ? "-" : show(t.pytorch_ms),
      t.ratio === undefined ? "-" : t.ratio.toFixed(2),
      w.flops === undefined ? "" : (w.flops / t.kindling_ms / 1e6).toFixed(1),
    ]);
  }
}

/**
 * The main of a bench file: `--json` prints one object, `--only TEXT` filters, `--seconds N` sets the time for each,
 * `--isa avx2` or `--isa sse4` holds PyTorch to narrower vectors.
 */
export function main(workloads: readonly Workload[], argv: readonly string[] = process.argv.slice(2)): void {
  const value = (flag: string) => (argv.includes(flag) ? argv[argv.indexOf(flag) + 1] : undefined);
  const only = value("--only");
  const seconds = Number(value("--seconds") ?? 1);
  const chosen = workloads.filter((w) => only === undefined || w.name.includes(only));
  const timings = run(chosen, { seconds, isa: value("--isa") });
  if (argv.includes("--json")) console.log(JSON.stringify(timings));
  else print(chosen, timings);
}
