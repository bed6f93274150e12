// Compiles src/kernels/assembly with AssemblyScript and writes src/kernels/generated: the WebAssembly bytes, the
// typed table of all kernels, and the pool worker's program as a string.
//
// Each assembly file that exports kernels becomes a WebAssembly module of its own, so that a change compiles
// again only what imports the changed file. A file is compiled for relaxed SIMD as well only where it, or what
// it imports, tells the two apart.
//
// Usage: build-kernels.mjs [--force] [--tolerant]
// --force compiles everything again; --tolerant leaves out files that do not compile, while they are worked on.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const assembly = join(root, "src/kernels/assembly");
const generated = join(root, "src/kernels/generated");
const cache = join(generated, "cache");

/** What the worker program is bundled from. */
const WORKER_SOURCES = ["worker.ts", "call.ts", "claim.ts", "layout.ts", "platform.ts"].map((f) =>
  join(root, "src/kernels", f),
);

const FLAGS = [
  ...["-O3", "--converge", "--noAssert", "--runtime", "stub", "--use", "abort="],
  ...["--importMemory", "--sharedMemory", "--initialMemory", "16", "--maximumMemory", "65536"],
  ...["--enable", "simd", "--enable", "threads"],
];
const RELAXED_FLAGS = ["--enable", "relaxed-simd"];
const RELAXED_SWITCH = "ASC_FEATURE_RELAXED_SIMD";

const NUMBERS = new Set(["i8", "u8", "i16", "u16", "i32", "u32", "usize", "isize", "f32", "f64", "bool"]);
const MAX_ARGS = 16;

// Numbers of the WebAssembly binary format.
const IMPORT_SECTION = 2;
const DATA_SECTION = 11;
const MEMORY_KIND = 2;
const SHARED_WITH_MAXIMUM = 3;

class BuildError extends Error {}

const withoutComments = (text) => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");

/**
 * The kernels that one assembly file exports: functions of numbers that take a pointer. Functions that are
 * generic or @inline, or that take no pointer, are there for other assembly files.
 */
function kernelsOf(file, text) {
  const code = withoutComments(text);
  const aliases = new Map(
    [...code.matchAll(/^(?:export )?type (\w+) = (\w+);/gm)].map(([, alias, type]) => [alias, type]),
  );
  const declaration =
    /((?:@\w+(?:\([^)]*\))?\s+)*)export\s+function\s+(\w+)\s*(<[^>]*>)?\s*\(([^)]*)\)\s*:\s*(\w+)/g;
  const found = [];
  for (const [, decorators, name, generic, parameters, result] of code.matchAll(declaration)) {
    if (generic || /@inline\b/.test(decorators)) continue;
    const numeric = (type) => aliases.get(type) ?? type;
    const args = parameters
      .split(",")
      .map((p) => p.trim())
      .filter((p) => p !== "")
      .map((p) => /^(\w+)\s*:\s*(\w+)$/.exec(p)?.slice(1) ?? [p, "?"])
      .map(([arg, type]) => [arg, numeric(type)]);
    const types = [...args.map(([, type]) => type), ...(result === "void" ? [] : [numeric(result)])];
    if (!types.includes("usize") || types.includes("v128")) continue;
    const bad = types.find((type) => !NUMBERS.has(type));
    if (bad) {
      throw new BuildError(
        `${file}: ${name} has a parameter or result of type ${bad}, expected i32, usize, f32 or f64`,
      );
    }
    if (args.length > MAX_ARGS) {
      throw new BuildError(`${file}: ${name} takes ${args.length} arguments, a pool call holds ${MAX_ARGS}`);
    }
    found.push({ name, file, args: args.map(([arg]) => arg), result: result === "void" ? "void" : "number" });
  }
  return found;
}

/** A file and all that it imports, directly or not, in a fixed order. */
function closure(file, sources, seen = new Set()) {
  if (seen.has(file)) return seen;
  const text = sources.get(file);
  if (text === undefined) throw new BuildError(`src/kernels/assembly/${file} is imported but does not exist`);
  seen.add(file);
  for (const [, name] of withoutComments(text).matchAll(/\bfrom\s+"\.\/(\w+)"/g))
    closure(`${name}.ts`, sources, seen);
  return seen;
}

/** A unit is one assembly file with kernels: one WebAssembly module, or two where relaxed SIMD matters. */
function unitsOf(sources) {
  const version = JSON.parse(
    readFileSync(join(root, "node_modules/assemblyscript/package.json"), "utf8"),
  ).version;
  return [...sources].flatMap(([file, text]) => {
    const kernels = kernelsOf(file, text);
    if (kernels.length === 0) return [];
    const files = [...closure(file, sources)].sort();
    const contents = files.map((f) => `${f}\n${sources.get(f)}`).join("\n");
    const key = (flags) =>
      createHash("sha256")
        .update(JSON.stringify([version, flags, contents]))
        .digest("hex");
    const entry = `export { ${kernels.map((k) => k.name).join(", ")} } from "./${file.replace(/\.ts$/, "")}";`;
    const build = (variant, flags) => ({
      file,
      variant,
      entry,
      flags,
      key: key(flags),
      weight: contents.length,
    });
    const builds = [build("simd128", FLAGS)];
    if (contents.includes(RELAXED_SWITCH)) builds.push(build("relaxed", [...FLAGS, ...RELAXED_FLAGS]));
    return [{ file, kernels, builds }];
  });
}

function checkNames(units) {
  const owner = new Map();
  for (const { name, file } of units.flatMap((u) => u.kernels)) {
    if (owner.has(name)) throw new BuildError(`${name} is exported by both ${owner.get(name)} and ${file}`);
    owner.set(name, file);
  }
}

/** Runs in a worker thread: compiles what the main thread sends. The entry module exists in memory only. */
async function serveCompiler() {
  const { default: asc } = await import("assemblyscript/asc");
  parentPort.on("message", async ({ entry, flags }) => {
    let wasm;
    let log = "";
    const write = (text) => {
      log += text;
    };
    const { error } = await asc.main(["kindling-entry.ts", "--outFile", "kernels.wasm", ...flags], {
      stdout: { write },
      stderr: { write },
      readFile: (name) => {
        if (name === "kindling-entry.ts") return entry;
        try {
          return readFileSync(join(assembly, name), "utf8");
        } catch {
          return null;
        }
      },
      writeFile: (name, data) => {
        if (name === "kernels.wasm") wasm = data;
      },
      listFiles: () => [],
    });
    parentPort.postMessage(error ? { failure: `${error.message}\n${log}` } : { wasm, log });
  });
}

/** Compiles builds on two threads, the largest first, and stores each in the cache as it is done. */
async function compileAll(builds) {
  const queue = [...builds].sort((a, b) => b.weight - a.weight);
  const lane = async () => {
    if (queue.length === 0) return;
    const compiler = new Worker(fileURLToPath(import.meta.url));
    for (let build = queue.shift(); build; build = queue.shift()) {
      compiler.postMessage(build);
      const [result] = await once(compiler, "message");
      if (result.failure) build.failure = result.failure;
      else writeWhole(join(cache, `${build.key}.wasm`), result.wasm);
      const log = result.log?.replaceAll("Last converge was suboptimal.", "").trim();
      if (log) console.warn(log);
    }
    await compiler.terminate();
  };
  await Promise.all([lane(), lane()]);
}

function readCached({ key }) {
  try {
    return readFileSync(join(cache, `${key}.wasm`));
  } catch {
    return undefined;
  }
}

/** Position of the memory import's limits flag, which the loader sets to "shared" or "not shared". */
function memoryFlagAt(file, bytes) {
  let at = 8;
  const leb = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  };
  const skipName = () => {
    const length = leb();
    at += length;
  };
  let flagAt = 0;
  while (at < bytes.length) {
    const id = bytes[at++];
    const end = leb() + at;
    if (id === IMPORT_SECTION) {
      const count = leb();
      skipName();
      skipName();
      if (count === 1 && bytes[at] === MEMORY_KIND && bytes[at + 1] === SHARED_WITH_MAXIMUM) flagAt = at + 1;
    }
    if (id === DATA_SECTION)
      throw new BuildError(`${file}: has static data; kernels work on what they are given`);
    at = end;
  }
  if (flagAt === 0)
    throw new BuildError(`${file}: the compiled module must import one shared memory, nothing else`);
  return flagAt;
}

/** Instantiates a module where this engine can, to hold the parsed signatures against the real ones. */
function checkSignatures(file, kernels, bytes) {
  if (!WebAssembly.validate(bytes)) return;
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  for (const { name, args } of kernels) {
    const actual = exports[name]?.length;
    if (actual === args.length) continue;
    throw new BuildError(
      `${file}: ${name} was read as taking ${args.length} arguments, the compiler says ${actual}`,
    );
  }
}

function moduleSource(file, bytes) {
  return `{ flagAt: ${memoryFlagAt(file, bytes)}, base64: "${bytes.toString("base64")}" }`;
}

function wasmSource(units) {
  const lines = units.map(({ file, kernels, builds }) => {
    const [simd128, relaxed] = builds.map((build) => readCached(build));
    checkSignatures(file, kernels, simd128);
    const second = relaxed ? `, relaxed: ${moduleSource(file, relaxed)}` : "";
    return `  { simd128: ${moduleSource(file, simd128)}${second} }, // ${file}`;
  });
  return `// Generated by scripts/build-kernels.mjs from src/kernels/assembly.

/** The bytes of a WebAssembly module, and the position in them of the memory import's "shared" flag. */
export interface WasmCode {
  readonly flagAt: number;
  readonly base64: string;
}

/** The modules; relaxed is there where it differs. */
export const units: readonly { readonly simd128: WasmCode; readonly relaxed?: WasmCode }[] = [
${lines.join("\n")}
];
`;
}

function tableSource(kernels) {
  const signature = ({ name, args, result }) =>
    `  ${name}(${args.map((a) => `${a}: number`).join(", ")}): ${result};`;
  return `// Generated by scripts/build-kernels.mjs from src/kernels/assembly.

/** All kernels, by name. */
export interface Kernels {
${kernels.map(signature).join("\n")}
}

/** The name of a kernel. */
export type KernelName = keyof Kernels;

/** All kernel names, in the order of the pool's kernel numbers. */
export const kernelNames: readonly KernelName[] = [
${kernels.map(({ name }) => `  "${name}",`).join("\n")}
];

/** The kernels among WebAssembly exports, checked to be there, as an object with fast properties. */
export function kernelTable(exports: Readonly<Record<string, unknown>>): Kernels {
  const missing = kernelNames.filter((name) => typeof exports[name] !== "function");
  if (missing.length > 0) throw new Error(\`[kernels] the WebAssembly modules lack \${missing.join(", ")}\`);
  const e = exports as { [K in KernelName]: Kernels[K] };
  return {
${kernels.map(({ name }) => `    ${name}: e.${name},`).join("\n")}
  };
}
`;
}

async function workerModuleSource() {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [WORKER_SOURCES[0]],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
    tsconfigRaw: {}, // not whatever stands in the folders above
  });
  return `// Generated by scripts/build-kernels.mjs: the program of a pool worker.
export const workerSource: string = ${JSON.stringify(outputFiles[0].text)};
`;
}

/** Writes a file so that nobody ever reads half of it. */
function writeWhole(path, data) {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, data);
  renameSync(temporary, path);
}

async function main() {
  const force = process.argv.includes("--force");
  const tolerant = process.argv.includes("--tolerant");
  const names = readdirSync(assembly).filter((f) => f.endsWith(".ts") && !f.endsWith(".d.ts"));
  const sources = new Map(names.sort().map((f) => [f, readFileSync(join(assembly, f), "utf8")]));
  let units = unitsOf(sources);
  checkNames(units);

  const stampFile = join(generated, "stamp.txt");
  const stampHash = createHash("sha256").update(units.flatMap((u) => u.builds.map((b) => b.key)).join());
  for (const file of [...WORKER_SOURCES, fileURLToPath(import.meta.url)])
    stampHash.update(readFileSync(file));
  const stamp = stampHash.digest("hex");
  try {
    if (!force && readFileSync(stampFile, "utf8") === stamp) return;
  } catch {
    // The first build.
  }

  const start = performance.now();
  mkdirSync(cache, { recursive: true });
  const builds = units.flatMap((u) => u.builds);
  const stale = builds.filter((b) => force || !readCached(b));
  await compileAll(stale);
  const failed = builds.filter((b) => b.failure);
  if (failed.length > 0) {
    const report = failed.map(({ file, variant, failure }) => `${file} (${variant}): ${failure}`).join("\n");
    if (!tolerant) throw new BuildError(report);
    console.error(`build-kernels: left out what does not compile:\n${report}`);
    units = units.filter((u) => !u.builds.some((b) => b.failure));
  }

  const kernels = units.flatMap((u) => u.kernels);
  writeWhole(join(generated, "wasm.ts"), wasmSource(units));
  writeWhole(join(generated, "kernels.ts"), tableSource(kernels));
  writeWhole(join(generated, "worker.ts"), await workerModuleSource());
  for (const file of readdirSync(cache)) {
    if (!builds.some((b) => file === `${b.key}.wasm`)) rmSync(join(cache, file), { force: true });
  }
  if (failed.length === 0) writeWhole(stampFile, stamp);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `kernels: ${kernels.length} in ${units.length} modules, ${stale.length} compiled in ${seconds} s`,
  );
}

if (!isMainThread) {
  await serveCompiler();
} else {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(`build-kernels: ${error.message}`);
    process.exitCode = 1;
  }
}
