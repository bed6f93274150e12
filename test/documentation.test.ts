/** The documentation leads everywhere: from its first page to all pages, from a method to its doc. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const docs = join(root, "docs");
const pages = readdirSync(docs).filter((file) => file.endsWith(".md") && file !== "README.md");

test("docs/README.md links every page", () => {
  const first = readFileSync(join(docs, "README.md"), "utf8");
  const linked = [...first.matchAll(/\]\(([^)#\s]+)/g)].map((match) => match[1]);
  expect(pages.filter((page) => !linked.includes(page))).toEqual([]);
});

test("editors show a doc on every member of Tensor", () => {
  const settings = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config as unknown;
  const { options } = ts.parseJsonConfigFileContent(settings, ts.sys, root);
  const program = ts.createProgram([join(root, "src/index.ts")], options);
  const checker = program.getTypeChecker();
  const door = checker.getSymbolAtLocation(program.getSourceFile(join(root, "src/index.ts")) as ts.Node);
  const alias = checker.getExportsOfModule(door as ts.Symbol).find((symbol) => symbol.name === "Tensor");
  const members = checker
    .getDeclaredTypeOfSymbol(checker.getAliasedSymbol(alias as ts.Symbol))
    .getProperties()
    .filter((member) => !member.name.startsWith("__@") && !member.name.startsWith("_"));
  expect(members.length).toBeGreaterThan(400);
  const silent = members.filter(
    (member) =>
      member.getDocumentationComment(checker).length === 0 &&
      !member.getJsDocTags(checker).some((tag) => tag.name === "internal"),
  );
  expect(silent.map((member) => member.name)).toEqual([]);
}, 60_000);
