// npm run test:pack: packs the package, installs the tarball into an empty folder without install scripts, trains
// two steps there by import and by require, and compiles a strict TypeScript project against its types.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "kindling-pack-"));
const { exports, name } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const doors = Object.keys(exports)
  .filter((door) => !door.endsWith(".json"))
  .map((door) => name + door.slice(1));

const run = (command, args, cwd = folder) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: "pipe" });

function say(text) {
  console.log(`pack: ${text}`);
}

function write(file, text) {
  writeFileSync(join(folder, file), text);
}

const TRAIN = `
kindling.manualSeed(0);
const model = new nn.Sequential(new nn.Linear(4, 8), new nn.BatchNorm1d(8), new nn.ReLU(), new nn.Linear(8, 2));
const optimizer = new optim.Adam(model.parameters(), { lr: 0.05 });
const x = kindling.randn([16, 4]);
const target = kindling.randn([16, 2]);
const losses = [];
for (let step = 0; step < 2; step++) {
  optimizer.zeroGrad();
  const loss = nn.functional.mseLoss(model(x), target);
  loss.backward();
  optimizer.step();
  losses.push(loss.item());
}
if (!(losses[1] < losses[0])) throw new Error("the loss did not fall: " + losses);
console.log(losses.join(" "));
`;

function trainBothWays() {
  const imports = doors.map((door) => `await import(${JSON.stringify(door)});`).join("\n");
  write(
    "esm.mjs",
    `import * as kindling from "kindling";
import * as nn from "kindling/nn";
import * as optim from "kindling/optim";
${imports}
${TRAIN}`,
  );
  const byImport = run(process.execPath, ["esm.mjs"]);
  say(`import: losses ${byImport.trim()}`);
  if (!process.features.require_module) {
    say(`require: Node ${process.versions.node} cannot require ES modules`);
    return;
  }
  write(
    "cjs.cjs",
    `const kindling = require("kindling");
const nn = require("kindling/nn");
const optim = require("kindling/optim");
${TRAIN}
import("kindling").then((again) => {
  if (again.Tensor !== kindling.Tensor) throw new Error("import and require gave two copies of the library");
});`,
  );
  const byRequire = run(process.execPath, ["cjs.cjs"]);
  if (byRequire !== byImport) throw new Error(`require trained differently: ${byRequire} and ${byImport}`);
  say("require: the same losses, one copy");
}

/** Ranks from the installed package: by its command, and by launch from a program. */
function runRanks() {
  write(
    "ranks.mjs",
    `import { tensor } from "kindling";
import { allReduce, getRank, initProcessGroup } from "kindling/distributed";
export default function sum(start) {
  initProcessGroup();
  const x = tensor([start + getRank()]);
  allReduce(x);
  return x.item();
}
if (process.argv[2] === "print") console.log(sum(10));`,
  );
  write(
    "launch.mjs",
    `import { launch } from "kindling/distributed";
console.log(JSON.stringify(await launch("./ranks.mjs", { worldSize: 2, args: [10] })));`,
  );
  const byCommand = run("npx", ["--offline", "kindling", "run", "--nproc", "2", "ranks.mjs", "print"]);
  const expected = "[rank 0] 21\n[rank 1] 21\n";
  if (byCommand.split("\n").sort().join("\n").trim() !== expected.trim())
    throw new Error(
      `kindling run printed ${JSON.stringify(byCommand)}, expected ${JSON.stringify(expected)}`,
    );
  const byLaunch = run(process.execPath, ["launch.mjs"]).trim();
  if (byLaunch !== "[21,21]") throw new Error(`launch returned ${byLaunch}, expected [21,21]`);
  say("ranks: kindling run and launch");
}

function compileStrict() {
  write(
    "user.ts",
    `${doors.map((door, i) => `import * as door${i} from ${JSON.stringify(door)};`).join("\n")}
import * as kindling from "kindling";
import * as nn from "kindling/nn";
import * as optim from "kindling/optim";
export const doors: readonly object[] = [${doors.map((_, i) => `door${i}`).join(", ")}];
export function train(steps: number): number {
  const model = new nn.Linear(4, 2);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
  let last = 0;
  for (let step = 0; step < steps; step++) {
    const loss: kindling.Tensor = model(kindling.randn([3, 4])).square().mean();
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    last = loss.item();
  }
  return last;
}
`,
  );
  const strict = {
    noEmit: true,
    strict: true,
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noUnusedLocals: true,
    noImplicitOverride: true,
    noPropertyAccessFromIndexSignature: true,
    target: "ES2022",
    lib: ["ES2022"],
    types: [],
  };
  for (const [module, moduleResolution] of [
    ["NodeNext", "NodeNext"],
    ["ESNext", "Bundler"],
  ]) {
    const config = { compilerOptions: { ...strict, module, moduleResolution }, files: ["user.ts"] };
    write("tsconfig.json", JSON.stringify(config));
    run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."]);
    say(`types: a strict project compiles (${moduleResolution})`);
  }
}

try {
  const [packed] = JSON.parse(
    run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root),
  );
  const stray = packed.files
    .map((f) => f.path)
    .filter((f) => !/^(dist\/|package\.json$|README|LICENSE)/.test(f));
  if (stray.length > 0) throw new Error(`the tarball holds ${stray.join(", ")}`);
  say(`${packed.files.length} files, ${Math.round(packed.size / 1024)} KiB packed`);
  write("package.json", JSON.stringify({ name: "user", private: true, type: "module" }));
  const flags = ["--ignore-scripts", "--offline", "--no-audit", "--no-fund"];
  run("npm", ["install", join(folder, packed.filename), ...flags]);
  trainBothWays();
  runRanks();
  compileStrict();
} catch (error) {
  console.error(`pack: failed: ${error.stdout ?? ""}${error.stderr ?? ""}\n${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
