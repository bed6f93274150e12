/** The documentation leads everywhere: from its first page to all pages, from a method to its doc. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const docs = join(root, "docs");
const pages = readdirSync(docs).filter((file) => file.endsWith(".md"));

/** Where the links of a page lead, with anchors, web addresses left out. */
function linksOf(file: string): string[] {
  const text = readFileSync(file, "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] as string)
    .filter((link) => !/^[a-z]+:/.test(link));
}

/** The anchor that a heading gets. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");

function anchorsOf(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)].map((match) => anchorOf(match[1] as string));
}

describe("pages", () => {
  test("docs/README.md links every page", () => {
    const linked = linksOf(join(docs, "README.md"));
    expect(pages.filter((page) => page !== "README.md" && !linked.includes(page))).toEqual([]);
  });

  test.each(["README.md", ...pages.map((page) => `docs/${page}`)])(
    "every link of %s leads somewhere",
    (page) => {
      const file = join(root, page);
      const broken = linksOf(file).filter((link) => {
        const [path, anchor] = link.split("#") as [string, string?];
        const target = path === "" ? file : resolve(dirname(file), path);
        return !existsSync(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
      });
      expect(broken).toEqual([]);
    },
  );
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
