/** Runs the code of README.md, docs/*.md and the @example blocks of docstrings, and checks what its comments claim. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as kindling from "kindling";
import * as data from "kindling/data";
import * as distributed from "kindling/distributed";
import * as io from "kindling/io";
import * as nn from "kindling/nn";
import * as optim from "kindling/optim";
import * as testing from "kindling/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { compileSnippets } from "./docs/compile.js";
import {
  agrees,
  instrument,
  printed,
  type Snippet,
  snippetsOfPage,
  snippetsOfSource,
  Written,
} from "./docs/snippets.js";

const doors: Readonly<Record<string, object>> = {
  kindling,
  "kindling/nn": nn,
  "kindling/optim": optim,
  "kindling/data": data,
  "kindling/io": io,
  "kindling/distributed": distributed,
  "kindling/testing": testing,
};

const root = resolve(import.meta.dirname, "..");
const pages = [
  "README.md",
  ...(existsSync(join(root, "docs")) ? readdirSync(join(root, "docs")) : []).map((f) => `docs/${f}`),
];
const sources = (readdirSync(join(root, "src"), { recursive: true }) as string[])
  .filter((f) => f.endsWith(".ts") && !f.startsWith(join("kernels", "assembly")))
  .map((f) => join("src", f));
const read = (files: string[], of: (file: string) => Snippet[]): Snippet[] =>
  files.filter((f) => existsSync(join(root, f))).flatMap((f) => of(join(root, f)));

const outside = process.cwd();
const folder = mkdtempSync(join(tmpdir(), "kindling-docs-"));
beforeAll(() => {
  process.chdir(folder);
  distributed.initProcessGroup("threads", { worldSize: 1 });
});
afterAll(() => {
  distributed.destroyProcessGroup();
  process.chdir(outside);
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  kindling.manualSeed(0);
});
afterEach(() => {
  kindling.setDefaultDtype("float32");
});

/** The names that a snippet may use without importing them: all doors'; a docstring's own file comes first. */
async function scopeOf(snippet: Snippet): Promise<Record<string, unknown>> {
  const own: object = snippet.file.endsWith(".ts") ? await import(/* @vite-ignore */ snippet.file) : {};
  const everything = {
    ...distributed,
    ...nn.functional,
    ...testing,
    ...data,
    ...io,
    ...optim,
    ...nn,
    ...kindling,
  };
  return { ...everything, F: nn.functional, ...own };
}

function checksOf(snippet: Snippet, log: string[]) {
  const at = (line: number) => `${snippet.file.slice(root.length + 1)}:${snippet.line + line}`;
  const plain = (value: unknown) => (value instanceof kindling.Tensor ? value.toArray() : value);
  return {
    door: (name: string) => {
      const door = doors[name];
      if (door !== undefined) return door;
      if (name.startsWith("node:") || name === "fast-check") return import(/* @vite-ignore */ name);
      throw new Error(`the snippet imports ${name}, which is no door`);
    },
    written: (text: string) => new Written(text),
    value: (line: number, value: unknown, expected: unknown) => {
      const actual = plain(value);
      if (!agrees(actual, expected)) expect(actual, at(line)).toEqual(expected);
    },
    printed: (line: number, values: unknown[], expected: string) =>
      expect(printed(values), at(line)).toBe(expected),
    throws: async (line: number, run: () => Promise<unknown>, expected: string) => {
      const error = await run().then(
        () => undefined,
        (e: unknown) => e as Error,
      );
      const start = expected.replace(/…$/, "");
      const text = start.startsWith("[") ? `${error?.message}` : `${error?.name}: ${error?.message}`;
      expect(text.slice(0, start.length), at(line)).toBe(start);
    },
    console: { log: (...values: unknown[]) => void log.push(printed(values)) },
  };
}

async function run(snippet: Snippet): Promise<void> {
  const { script } = instrument(snippet.code);
  const scope = await scopeOf(snippet);
  const names = Object.keys(scope).filter(
    (name) => name !== "var" && new RegExp(`\\b${name}\\b`).test(script),
  );
  const checks = checksOf(snippet, []);
  const make = new Function("$", "console", ...names, `${script}\nreturn snippet;`);
  const body = make(checks, checks.console, ...names.map((name) => scope[name])) as () => Promise<void>;
  await body();
}

function suite(title: string, snippets: Snippet[]): void {
  describe(title, () => {
    for (const snippet of snippets) {
      const name = `${snippet.file.slice(root.length + 1)}:${snippet.line}`;
      test.skipIf(snippet.skip)(name, () => run(snippet));
    }
  });
}

const ofPages = read(
  pages.filter((p) => p.endsWith(".md")),
  snippetsOfPage,
);
suite("pages", ofPages);
suite("docstrings", read(sources, snippetsOfSource));

test("the snippets of the pages compile in a strict project", () => {
  const shown = ofPages.filter((snippet) => !snippet.skip);
  expect(compileSnippets(root, shown, doors)).toEqual([]);
});

/** The anchor of a heading, as GitHub makes it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");

test("links between the pages lead somewhere", () => {
  const broken = pages
    .filter((p) => p.endsWith(".md") && existsSync(join(root, p)))
    .flatMap((page) => {
      const text = readFileSync(join(root, page), "utf8").replaceAll(/```.*?```/gs, "");
      return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => {
        if (/^[a-z]+:/.test(link)) return [];
        const [path = "", anchor] = link.split("#");
        const target = path === "" ? join(root, page) : resolve(root, page, "..", path);
        if (!existsSync(target)) return [`${page}: ${link}`];
        if (anchor === undefined) return [];
        const headings = [...readFileSync(target, "utf8").matchAll(/^#+ (.*)$/gm)].map((m) =>
          anchorOf(m[1] as string),
        );
        return headings.includes(anchor) ? [] : [`${page}: ${link}`];
      });
    });
  expect(broken).toEqual([]);
});
