/** Type-checks snippets as a user's strict project would: the names that they do not import come from the doors. */
import { dirname, join } from "node:path";
import ts from "typescript";
import type { Snippet } from "./snippets.js";

/** The doors by module name, the one that gives a name first. */
export type Doors = Readonly<Record<string, object>>;

function namesOf(snippet: Snippet): { imported: Set<string>; declared: Set<string>; used: Set<string> } {
  const names = { imported: new Set<string>(), declared: new Set<string>(), used: new Set<string>() };
  const source = ts.createSourceFile("snippet.ts", snippet.code, ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    if (ts.isImportSpecifier(node) || ts.isImportClause(node) || ts.isNamespaceImport(node)) {
      if (node.name !== undefined) names.imported.add(node.name.text);
    } else if (ts.isIdentifier(node)) {
      const { parent } = node;
      const isMember = ts.isPropertyAccessExpression(parent) && parent.name === node;
      const isKey = ts.isPropertyAssignment(parent) && parent.name === node;
      const isShort = ts.isShorthandPropertyAssignment(parent);
      if ("name" in parent && parent.name === node && !isMember && !isKey && !isShort)
        names.declared.add(node.text);
      else if (!isMember && !isKey) names.used.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return names;
}

/** The snippet as a module, with the missing imports in its first line. */
function moduleOf(snippet: Snippet, doors: Doors): string {
  const { imported, declared, used } = namesOf(snippet);
  const found = new Set<string>();
  const imports = Object.entries(doors).map(([door, exports]) => {
    const names = Object.keys(exports).filter(
      (name) => used.has(name) && !imported.has(name) && !declared.has(name) && !found.has(name),
    );
    for (const name of names) found.add(name);
    return names.length === 0 ? "" : `import { ${names.join(", ")} } from "${door}";`;
  });
  return `${imports.join(" ")} export {};\n${snippet.code}\n`;
}

/** What the compiler says about the snippets, by file and line of the page. */
export function compileSnippets(root: string, snippets: readonly Snippet[], doors: Doors): string[] {
  const path = join(root, "tsconfig.check.json");
  const config = ts.readConfigFile(path, (file) => ts.sys.readFile(file));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, dirname(path));
  const files = new Map(
    snippets.map((snippet, i) => [
      join(root, "examples", `snippet${i}.ts`),
      { snippet, text: moduleOf(snippet, doors) },
    ]),
  );
  const settings = {
    ...options,
    noEmit: true,
    noUnusedLocals: false,
    skipLibCheck: true,
    typeRoots: [join(root, "node_modules/@types")],
  };
  const host = ts.createCompilerHost(settings);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => files.has(file) || fileExists(file);
  host.readFile = (file) => files.get(file)?.text ?? readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const text = files.get(file)?.text;
    return text === undefined
      ? getSourceFile(file, version, ...rest)
      : ts.createSourceFile(file, text, version);
  };
  const program = ts.createProgram([...files.keys()], settings, host);
  return [...files].flatMap(([file, { snippet }]) => {
    const source = program.getSourceFile(file);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ start, messageText }) => {
      const line = source?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0;
      const at = `${snippet.file.slice(root.length + 1)}:${snippet.line + line - 1}`;
      return `${at}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    });
  });
}
