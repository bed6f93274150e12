/** Every public function, layer, optimizer, scheduler and sampler refuses a misspelt option, and names the one meant. */
import { join, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import * as data from "../src/data/index.js";
import * as kindling from "../src/index.js";
import * as io from "../src/io/index.js";
import * as testing from "../src/testing/index.js";

const { nn, ones, optim } = kindling;
const root = resolve(import.meta.dirname, "..");
const doors = {
  "src/index.ts": kindling,
  "src/data/index.ts": data,
  "src/io/index.ts": io,
  "src/testing/index.ts": testing,
};

/** Those whose options are names of the caller's own, or that stand apart, each with the reason. */
const skips: Readonly<Record<string, string>> = {
  withGrad: "internal",
  "nn.StateLoad": "internal: loadStateDict has checked them",
  "nn.UninitializedBuffer": "made by lazy layers, from their own options",
  "nn.UninitializedParameter": "made by lazy layers, from their own options",
  "nn.utils.parametrize.ParametrizationList": "made by registerParametrization, which has checked them",
};

interface Case {
  readonly path: string;
  readonly target: unknown;
  readonly isClass: boolean;
  /** The types of the arguments before the options. */
  readonly before: readonly ts.Type[];
  readonly names: readonly string[];
}

const settings = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config as unknown;
const { options } = ts.parseJsonConfigFileContent(settings, ts.sys, root);
const program = ts.createProgram(
  Object.keys(doors).map((door) => join(root, door)),
  options,
);
const checker = program.getTypeChecker();

const partsOf = (type: ts.Type): readonly ts.Type[] => (type.isUnion() ? type.types : [type]);

/** The names of the options that a parameter takes, if it takes some: an object of which nothing is required. */
function optionNames(parameter: ts.Symbol, at: ts.Node): string[] | null {
  for (const type of partsOf(checker.getTypeOfSymbolAtLocation(parameter, at))) {
    if ((type.flags & ts.TypeFlags.Object) === 0 && !type.isIntersection()) continue;
    if (checker.isArrayLikeType(type) || type.getCallSignatures().length > 0) continue;
    const properties = checker.getPropertiesOfType(type);
    const optional = properties.every((p) => (p.flags & ts.SymbolFlags.Optional) !== 0);
    if (optional && properties.length > 0) return properties.map((p) => p.name);
  }
  return null;
}

function casesOf(symbol: ts.Symbol, path: string, target: unknown, seen: Set<ts.Symbol>): Case[] {
  const own = (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol;
  if (seen.has(own) || target === undefined) return [];
  seen.add(own);
  if ((own.flags & ts.SymbolFlags.Module) !== 0) {
    return checker
      .getExportsOfModule(own)
      .flatMap((s) => casesOf(s, `${path}.${s.name}`, (target as Record<string, unknown>)[s.name], seen));
  }
  const at = own.valueDeclaration;
  if (
    at === undefined ||
    target === Error ||
    (typeof target === "function" && target.prototype instanceof Error)
  )
    return []; // `cause` is the language's
  const type = checker.getTypeOfSymbolAtLocation(own, at);
  const isClass = type.getConstructSignatures().length > 0;
  if (
    isClass &&
    ts.isClassDeclaration(at) &&
    at.modifiers?.some((m) => m.kind === ts.SyntaxKind.AbstractKeyword)
  )
    return [];
  const found: Case[] = [];
  for (const signature of isClass ? type.getConstructSignatures() : type.getCallSignatures()) {
    signature.parameters.forEach((parameter, i) => {
      const names = optionNames(parameter, at);
      if (names === null) return;
      const before = signature.parameters.slice(0, i).map((p) => checker.getTypeOfSymbolAtLocation(p, at));
      found.push({ path, target, isClass, before, names });
    });
  }
  return found;
}

const cases = Object.entries(doors).flatMap(([door, exports]) => {
  const symbol = checker.getSymbolAtLocation(program.getSourceFile(join(root, door)) as ts.Node) as ts.Symbol;
  const seen = new Set<ts.Symbol>();
  return checker
    .getExportsOfModule(symbol)
    .flatMap((s) => casesOf(s, s.name, (exports as Record<string, unknown>)[s.name], seen));
});

const sgd = () => new optim.SGD([new nn.Parameter(ones([2]))], { lr: 0.1 });

/** Something of a type, good enough for what is checked before the options are. */
function example(type: ts.Type): unknown {
  const text = checker.typeToString(type);
  if (/Optimizer/.test(text)) return sgd();
  if (/\bM\b|Module/.test(text)) return new nn.Linear(2, 2);
  if (/Scheduler/.test(text)) return [new optim.lrScheduler.StepLR(sgd(), 1)];
  if (/Dataset|Sampler/.test(text)) return new data.TensorDataset(ones([4, 2]));
  if (/^(readonly )?Tensor\[\]|\[Tensor|Params|Iterable/.test(text)) return [ones([2, 2])];
  if (/Tensor|^T$/.test(text)) return ones([2, 2]);
  if (/=>|Lambda|Fn|MaskMod|^F$/.test(text)) return () => ones([2]);
  if (/number\[\]|Shape/.test(text) && !/^number/.test(text)) return [2, 2];
  if (/string/.test(text)) return "weight";
  return 2;
}

/** A name without its middle letter, or a short one with its last letter twice. */
function misspelt(name: string): string {
  if (name.length < 4) return name + name.at(-1);
  const half = name.length >> 1;
  return name.slice(0, half) + name.slice(half + 1);
}

describe.each(cases.filter(({ path }) => !(path in skips)))("$path", ({ target, isClass, before, names }) => {
  test.each([...names].sort((a, b) => b.length - a.length).slice(0, 1))("%s", (name) => {
    const key = misspelt(name);
    const args = [...before.map(example), { [key]: 1 }];
    const run = isClass
      ? () => new (target as new (...args: unknown[]) => unknown)(...args)
      : () => (target as (...args: unknown[]) => unknown)(...args);
    let message = "";
    try {
      run();
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain(`] unknown option "${key}": expected one of `);
    expect(message).toMatch(new RegExp(`; try ${name}$`));
  });
});

test("all of them are found", () => {
  expect(cases.length).toBeGreaterThan(500);
});
