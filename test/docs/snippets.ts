/** Code in documentation: finding it, and turning it into a function that checks what its comments claim. */
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { transformSync } from "esbuild";
import ts from "typescript";

/** A piece of code in a page or a docstring. */
export interface Snippet {
  readonly file: string;
  /** Line of the file on which the code starts, from 1. */
  readonly line: number;
  readonly code: string;
  /** Shown only: marked `ts no-run`. */
  readonly skip: boolean;
}

/** The ```ts blocks of a page. */
export function snippetsOfPage(file: string): Snippet[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const snippets: Snippet[] = [];
  for (let i = 0; i < lines.length; i++) {
    const open = /^(\s*)```(ts|typescript)(\s+no-run)?\s*$/.exec(lines[i] as string);
    if (open === null) continue;
    const start = i + 1;
    while (i + 1 < lines.length && !/^\s*```\s*$/.test(lines[i + 1] as string)) i++;
    const code = lines.slice(start, i + 1).map((line) => line.slice((open[1] as string).length));
    snippets.push({ file, line: start + 1, code: code.join("\n"), skip: open[3] !== undefined });
    i++;
  }
  return snippets;
}

/** The @example blocks of a source file's docstrings. */
export function snippetsOfSource(file: string): Snippet[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const snippets: Snippet[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (!/^\s*\*\s*@example\b/.test(lines[i] as string)) continue;
    const code: string[] = [];
    const start = i + 1;
    for (i++; i < lines.length; i++) {
      const line = lines[i] as string;
      if (/^\s*\*\//.test(line) || /^\s*\*\s*@[a-z]/.test(line)) break;
      code.push(line.replace(/^\s*\* ?/, "").replace(/^```.*$/, ""));
    }
    i--;
    snippets.push({ file, line: start + 1, code: code.join("\n"), skip: false });
  }
  return snippets;
}

const LITERAL_KINDS = new Set([
  ts.SyntaxKind.NumericLiteral,
  ts.SyntaxKind.BigIntLiteral,
  ts.SyntaxKind.StringLiteral,
  ts.SyntaxKind.TrueKeyword,
  ts.SyntaxKind.FalseKeyword,
  ts.SyntaxKind.NullKeyword,
]);

function isLiteral(node: ts.Node): boolean {
  if (LITERAL_KINDS.has(node.kind)) return true;
  if (ts.isIdentifier(node)) return ["undefined", "NaN", "Infinity"].includes(node.text);
  if (ts.isPrefixUnaryExpression(node)) return isLiteral(node.operand);
  if (ts.isArrayLiteralExpression(node)) return node.elements.every(isLiteral);
  if (!ts.isObjectLiteralExpression(node)) return false;
  return node.properties.every((p) => ts.isPropertyAssignment(p) && isLiteral(p.initializer));
}

/** A literal's text with its fractions as `$.written("0.1320")`, which knows how many digits stand there. */
function withDigits(node: ts.Node): string {
  const text = node.getText();
  const start = node.getStart();
  const parts: string[] = [];
  let from = 0;
  const visit = (n: ts.Node): void => {
    const number = ts.isPrefixUnaryExpression(n) ? n.operand : n;
    if (ts.isNumericLiteral(number) && /[.e]/.test(n.getText())) {
      parts.push(text.slice(from, n.getStart() - start), `$.written(${JSON.stringify(n.getText())})`);
      from = n.getEnd() - start;
    } else ts.forEachChild(n, visit);
  };
  visit(node);
  return parts.join("") + text.slice(from);
}

/** What a comment claims about the statement before it. */
type Claim =
  | { kind: "value"; text: string }
  | { kind: "printed"; text: string }
  | { kind: "throws"; text: string };

function claimOf(comment: string, isLog: boolean): Claim | null {
  const throwing = /^throws\s+(.*)$/s.exec(comment);
  if (throwing !== null) return { kind: "throws", text: throwing[1] as string };
  const source = ts.createSourceFile("c.ts", `(${comment}\n)`, ts.ScriptTarget.Latest, true);
  const [only] = source.statements;
  const problems = (source as unknown as { parseDiagnostics: readonly unknown[] }).parseDiagnostics;
  if (problems.length === 0 && source.statements.length === 1 && only && ts.isExpressionStatement(only)) {
    const inner = only.expression;
    if (ts.isParenthesizedExpression(inner) && isLiteral(inner.expression)) {
      return { kind: "value", text: withDigits(inner.expression) };
    }
  }
  return isLog || comment.startsWith("tensor(") ? { kind: "printed", text: comment } : null;
}

/** The comment at the end of the line on which a node ends, or the comment lines right below it. */
function commentAfter(code: string, end: number, below: boolean): string | null {
  const newline = code.indexOf("\n", end);
  const rest = code.slice(end, newline < 0 ? undefined : newline);
  const sameLine = /^\s*\/\/\s?(.*)$/.exec(rest);
  if (sameLine !== null) return (sameLine[1] as string).trim();
  if (!below || rest.trim() !== "" || newline < 0) return null;
  const lines: string[] = [];
  for (const line of code.slice(newline + 1).split("\n")) {
    const comment = /^\s*\/\/ ?(.*)$/.exec(line);
    if (comment === null) break;
    lines.push(comment[1] as string);
  }
  return lines.length === 0 ? null : lines.join("\n").trimEnd();
}

interface Edit {
  from: number;
  to: number;
  text: string;
}

/** What an import makes of the doors: a destructuring. */
function importText(node: ts.ImportDeclaration): string {
  const door = node.moduleSpecifier.getText();
  const clause = node.importClause;
  if (clause === undefined || clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return "";
  if (clause.name !== undefined) return `const { default: ${clause.name.text} } = await $.door(${door});`;
  if (clause.namedBindings === undefined) return "";
  if (ts.isNamespaceImport(clause.namedBindings)) {
    return `const ${clause.namedBindings.name.text} = await $.door(${door});`;
  }
  const names = clause.namedBindings.elements
    .filter((e) => !e.isTypeOnly)
    .map((e) => (e.propertyName === undefined ? e.name.text : `${e.propertyName.getText()}: ${e.name.text}`));
  return `const { ${names.join(", ")} } = await $.door(${door});`;
}

/** The code with imports and claims turned into calls of `$`, as JavaScript. */
export function instrument(code: string): { script: string; claims: number } {
  const source = ts.createSourceFile("snippet.ts", code, ts.ScriptTarget.Latest, true);
  const edits: Edit[] = [];
  let claims = 0;
  const claim = (statement: ts.Statement): void => {
    const expression = ts.isExpressionStatement(statement) ? statement.expression : null;
    const isLog = expression !== null && /^console\.log\(/.test(expression.getText());
    const comment = commentAfter(code, statement.getEnd(), isLog);
    const made = comment === null ? null : claimOf(comment, isLog);
    if (made === null) return;
    const line = source.getLineAndCharacterOfPosition(statement.getStart()).line;
    const text = JSON.stringify(made.text);
    const body = statement.getText().replace(/;$/, "");
    const edit = { from: statement.getStart(), to: statement.getEnd() };
    if (made.kind === "throws") {
      edits.push({ ...edit, text: `await $.throws(${line}, async () => { ${body}; }, ${text});` });
    } else if (isLog && expression !== null && ts.isCallExpression(expression)) {
      const args = expression.arguments.map((a) => a.getText()).join(", ");
      const [only] = expression.arguments;
      const value = made.kind === "value" && expression.arguments.length === 1 ? only?.getText() : undefined;
      const check =
        value === undefined
          ? `$.printed(${line}, [${args}], ${text})`
          : `$.value(${line}, ${value}, (${made.text}\n))`;
      edits.push({ ...edit, text: `${check};` });
    } else if (expression !== null) {
      const check =
        made.kind === "value"
          ? `$.value(${line}, ${body}, (${made.text}\n))`
          : `$.printed(${line}, [${body}], ${text})`;
      edits.push({ ...edit, text: `${check};` });
    } else if (ts.isVariableStatement(statement) && made.kind === "value") {
      const [declared] = statement.declarationList.declarations;
      if (declared === undefined || !ts.isIdentifier(declared.name)) return;
      edits.push({ ...edit, text: `${body}; $.value(${line}, ${declared.name.text}, (${made.text}\n));` });
    } else return;
    claims++;
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      edits.push({ from: node.getStart(), to: node.getEnd(), text: importText(node) });
      return;
    }
    if (ts.isExpressionStatement(node) || ts.isVariableStatement(node)) claim(node);
    // Statements inside functions and loops are run as they are.
    if (ts.isSourceFile(node) || (ts.isBlock(node) && ts.isSourceFile(node.parent)))
      ts.forEachChild(node, visit);
  };
  visit(source);
  let text = code;
  for (const { from, to, text: replacement } of edits.sort((a, b) => b.from - a.from)) {
    text = text.slice(0, from) + replacement + text.slice(to);
  }
  // Indirect, so that esbuild keeps what looks unused; async, so that snippets may await.
  const wrapped = `async function snippet() {\n${text.replaceAll(/^export (?=class|function|const)/gm, "")}\n}`;
  return { script: transformSync(wrapped, { loader: "ts", target: "es2022" }).code, claims };
}

/** How a value is printed by console.log. */
export function printed(values: readonly unknown[]): string {
  return values.map((v) => (typeof v === "string" ? v : inspect(v, { depth: 4 }))).join(" ");
}

/** A number as it is written. */
export class Written extends Number {
  readonly decimals: number;

  constructor(text: string) {
    super(Number(text));
    const [, fraction = "", exponent = "0"] = /^-?\d*(?:\.(\d*))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
    this.decimals = fraction.length - Number(exponent);
  }
}

/**
 * Whole numbers are exact; fractions of four or more digits stand for anything that rounds to them; shorter ones allow
 * float32's error.
 */
function close(actual: number, expected: number, decimals: number): boolean {
  if (Object.is(actual, expected) || actual === expected) return true;
  if (!Number.isFinite(expected)) return false;
  const rounding = decimals >= 4 ? 0.5001 * 10 ** -decimals : 0;
  return decimals > 0 && Math.abs(actual - expected) <= Math.max(rounding, 1e-6 * Math.abs(expected));
}

/** Whether a value is what a literal says; numbers may be rounded there. */
export function agrees(actual: unknown, expected: unknown): boolean {
  if (expected instanceof Written) {
    return typeof actual === "number" && close(actual, Number(expected), expected.decimals);
  }
  if (typeof expected !== "object" || expected === null)
    return actual === expected || Object.is(actual, expected);
  if (typeof actual !== "object" || actual === null) return false;
  const list = (v: object): unknown[] | null =>
    Array.isArray(v) ? v : ArrayBuffer.isView(v) ? Array.from(v as never) : null;
  const [a, e] = [list(actual), list(expected)];
  if (a !== null && e !== null) return a.length === e.length && a.every((x, i) => agrees(x, e[i]));
  if (a !== null || e !== null) return false;
  const keys = Object.keys(expected);
  if (Object.keys(actual).length !== keys.length) return false;
  return keys.every((k) =>
    agrees((actual as Record<string, unknown>)[k], (expected as Record<string, unknown>)[k]),
  );
}
