// Compiles src/kernels/assembly with AssemblyScript and writes src/kernels/generated: the WebAssembly bytes of
// each variant as a module, the typed table of all kernels, and the pool worker's program as a string.
// Usage: build-kernels.mjs [--force] [--except FILE.ts[,FILE.ts...]] [--tolerant] [--quick]
// --except and --tolerant leave out files, named or not compiling, while they are being worked on; --quick
// optimises less.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const assembly = join(root, "src/kernels/assembly");
const generated = join(root, "src/kernels/generated");

const VARIANTS = [
  { name: "simd128", flags: [] },
  { name: "relaxed", flags: ["--enable", "relaxed-simd"] },
];

const FLAGS = [
  ...["--noAssert", "--runtime", "stub", "--use", "abort="],
  ...["--importMemory", "--sharedMemory", "--initialMemory", "16", "--maximumMemory", "65536"],
  ...["--enable", "simd", "--enable", "threads"],
];

const SCALARS = new Set(["i8", "u8", "i16", "u16", "i32", "u32", "usize", "isize", "f32", "f64", "bool"]);

class BuildError extends Error {}

/** The kernels that one assembly file exports: plain functions of numbers, neither generic nor @inline. */
function kernelsOf(file, text) {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
  const declaration =
    /((?:@\w+(?:\([^)]*\))?\s+)*)export\s+function\s+(\w+)\s*(<[^>]*>)?\s*\(([^)]*)\)\s*:\s*(\w+)/g;
  const aliases = new Map(
    [...code.matchAll(/^(?:export )?type (\w+) = (\w+);/gm)].map(([, alias, type]) => [alias, type]),
  );
  const found = [];
  for (const [, decorators, name, generic, parameters, result] of code.matchAll(declaration)) {
    if (generic || /@inline\b/.test(decorators)) continue;
    const args = parameters
      .split(",")
      .map((p) => p.trim())
      .filter((p) => p !== "")
      .map((p) => /^(\w+)\s*:\s*(\w+)$/.exec(p)?.slice(1) ?? [p, "?"]);
    const types = [...args.map(([, type]) => type), ...(result === "void" ? [] : [result])].map(
      (type) => aliases.get(type) ?? type,
    );
    if (types.includes("v128")) continue;
    const bad = types.find((type) => !SCALARS.has(type));
    if (bad) {
      throw new BuildError(
        `${file}: ${name} has a parameter or result of type ${bad}; kernels take i32, usize, f32, f64`,
      );
    }
    if (args.length > 16)
      throw new BuildError(`${file}: ${name} takes ${args.length} arguments, at most 16 fit a pool call`);
    found.push({ name, file, args: args.map(([arg]) => arg), result: result === "void" ? "void" : "number" });
  }
  return found;
}

function readSources(except) {
  const files = readdirSync(assembly)
    .filter((f) => f.endsWith(".ts") && !f.endsWith(".d.ts") && !except.includes(f))
    .sort();
  return files.map((file) => ({ file, text: readFileSync(join(assembly, file), "utf8") }));
}

function collect(sources) {
  const kernels = sources.flatMap(({ file, text }) => kernelsOf(file, text));
  const byName = new Map();
  for (const kernel of kernels) {
    const other = byName.get(kernel.name);
    if (other) throw new BuildError(`${kernel.name} is exported by both ${other.file} and ${kernel.file}`);
    byName.set(kernel.name, kernel);
  }
  return kernels;
}

/** The entry module, which exists in the compiler's memory only: it re-exports the kernels and nothing else. */
function entrySource(kernels) {
  const byFile = Map.groupBy ? Map.groupBy(kernels, (k) => k.file) : groupByFile(kernels);
  return [...byFile]
    .map(
      ([file, list]) =>
        `export { ${list.map((k) => k.name).join(", ")} } from "./${file.replace(/\.ts$/, "")}";`,
    )
    .join("\n");
}

function groupByFile(kernels) {
  const groups = new Map();
  for (const kernel of kernels) groups.set(kernel.file, [...(groups.get(kernel.file) ?? []), kernel]);
  return groups;
}

/** Compiles one variant; runs in a worker thread so that the variants compile side by side. */
async function compile({ entry, flags, quick }) {
  const { default: asc } = await import("assemblyscript/asc");
  let wasm;
  let log = "";
  const write = (text) => {
    log += text;
  };
  const optimise = quick ? ["-O2"] : ["-O3", "--converge"];
  const { error } = await asc.main(
    ["kindling-entry.ts", "--outFile", "kernels.wasm", ...optimise, ...FLAGS, ...flags],
    {
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
    },
  );
  return { error: error ? String(error.message) : "", log, wasm };
}

function compileInThread(data) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: data });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** Position of the memory import's limits flag, which the loader sets to "shared" or "not shared". */
function memoryFlagAt(bytes) {
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
  while (at < bytes.length) {
    const id = bytes[at++];
    const end = leb() + at;
    if (id === 2) {
      const count = leb();
      if (count !== 1) throw new BuildError(`the kernels import ${count} things; expected the memory alone`);
      skipName();
      skipName();
      if (bytes[at] !== 2 || bytes[at + 1] !== 3)
        throw new BuildError("the kernels' import is not a shared memory");
      return at + 1;
    }
    at = end;
  }
  throw new BuildError("the kernels import no memory");
}

/** Instantiates a variant where this engine can, to hold the parsed signatures against the real ones. */
function check(kernels, bytes) {
  if (!WebAssembly.validate(bytes)) return;
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  for (const { name, file, args } of kernels) {
    const actual = exports[name]?.length;
    if (actual !== args.length) {
      throw new BuildError(
        `${file}: ${name} was read as taking ${args.length} arguments, the compiler says ${actual}`,
      );
    }
  }
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

/** The kernels of a WebAssembly instance, checked to be there, as an object with fast properties. */
export function kernelTable(exports: Readonly<Record<string, unknown>>): Kernels {
  const missing = kernelNames.filter((name) => typeof exports[name] !== "function");
  if (missing.length > 0) throw new Error(\`[kernels] the WebAssembly module lacks \${missing.join(", ")}\`);
  const e = exports as { [K in KernelName]: Kernels[K] };
  return {
${kernels.map(({ name }) => `    ${name}: e.${name},`).join("\n")}
  };
}
`;
}

function write(name, text) {
  const temporary = join(generated, `.${process.pid}.${name}`);
  writeFileSync(temporary, text);
  renameSync(temporary, join(generated, name));
}

async function workerProgram() {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(root, "src/kernels/worker.ts")],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
  });
  return outputFiles[0].text;
}

async function main() {
  const args = process.argv.slice(2);
  const except = args.includes("--except") ? args[args.indexOf("--except") + 1].split(",") : [];
  const options = { force: args.includes("--force"), quick: args.includes("--quick") };
  for (;;) {
    try {
      return await build(except, options);
    } catch (error) {
      const file = args.includes("--tolerant") && /(?:in |^)(\w+\.ts)(?:\(|: )/m.exec(error.message)?.[1];
      if (!file || except.includes(file)) throw error;
      console.error(`build-kernels: leaving out ${file}: ${error.message}`);
      except.push(file);
    }
  }
}

async function build(except, { force, quick }) {
  const sources = readSources(except);
  const kernels = collect(sources);
  const hash = createHash("sha256");
  for (const { file, text } of sources) hash.update(`${file}\n${text}\n`);
  for (const file of [
    "src/kernels/worker.ts",
    "src/kernels/platform.ts",
    "src/kernels/call.ts",
    "src/kernels/layout.ts",
    "scripts/build-kernels.mjs",
  ]) {
    hash.update(readFileSync(join(root, file)));
  }
  hash.update(
    JSON.parse(readFileSync(join(root, "node_modules/assemblyscript/package.json"), "utf8")).version,
  );
  hash.update(`${quick}`);
  const stamp = hash.digest("hex");
  if (!force) {
    try {
      if (readFileSync(join(generated, "stamp.txt"), "utf8") === stamp) return;
    } catch {
      // First build.
    }
  }

  const start = performance.now();
  const entry = entrySource(kernels);
  const results = await Promise.all(VARIANTS.map(({ flags }) => compileInThread({ entry, flags, quick })));
  for (const [i, { error, log }] of results.entries()) {
    if (error) throw new BuildError(`${VARIANTS[i].name}: ${error}\n${log}`);
    if (log.trim()) console.warn(log);
  }
  mkdirSync(generated, { recursive: true });
  for (const [i, { wasm }] of results.entries()) {
    check(kernels, wasm);
    write(
      `${VARIANTS[i].name}.ts`,
      `// Generated by scripts/build-kernels.mjs: the ${VARIANTS[i].name} build of the kernels, ${wasm.length} bytes.\n` +
        `export const memoryFlagAt = ${memoryFlagAt(wasm)};\n` +
        `export const wasm: string = "${Buffer.from(wasm).toString("base64")}";\n`,
    );
  }
  write("kernels.ts", tableSource(kernels));
  write(
    "worker.ts",
    `// Generated by scripts/build-kernels.mjs: the program of a pool worker.\nexport const workerSource: string = ${JSON.stringify(await workerProgram())};\n`,
  );
  write("stamp.txt", stamp);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `kernels: ${kernels.length} from ${sources.length} files, ${results.map((r) => r.wasm.length).join(" and ")} bytes, ${seconds} s`,
  );
}

if (!isMainThread) {
  parentPort.postMessage(await compile(workerData));
} else {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(`build-kernels: ${error.message}`);
    process.exitCode = 1;
  }
}
