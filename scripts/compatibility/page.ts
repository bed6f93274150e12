/** docs/compatibility.md: how code translates, and every name of PyTorch with its place here, or why it has none. */
import { Declarations } from "./options.js";
import { RULES } from "./rules.js";
import { type Entry, type Finding, parametersOf, spoken, survey } from "./surface.js";

const code = (text: string): string => `\`${text.replaceAll("|", "\\|")}\``;

/** Of PyTorch's parameters, which Kindling's declaration has: the required ones in order, and options by name. */
function partsOf(entry: Entry, path: string, declarations: Declarations): { call: string; lost: string[] } {
  const known = declarations.argumentsOf(path);
  const args: string[] = [];
  const options: string[] = [];
  const lost: string[] = [];
  for (const { name, python, optional, variadic } of parametersOf(entry)) {
    const here = [name, python].find((n) => known?.options.has(n));
    if (!optional) args.push(variadic && known?.rest === true ? `...${name}` : name);
    else if (here !== undefined) options.push(here);
    else if (known?.positional.has(name)) args.push(`${name}?`);
    else lost.push(name);
  }
  const isClass = /^[A-Z]/.test(path.split(".").at(-1) ?? "");
  if (options.length > 0) args.push(`{ ${options.join(", ")} }`);
  return { call: `${isClass ? "new " : ""}${spoken(path)}(${args.join(", ")})`, lost };
}

function row(finding: Finding, declarations: Declarations): string {
  const { entry, status, forms, paths } = finding;
  const name = code(entry.name);
  const since = /^2\.\d+/.exec(entry.tag)?.[0];
  const python = since === undefined ? name : `${name} (${since})`;
  if (status === "instead") return `| ${python} | ${entry.instead} | |`;
  if (status !== "there") return `| ${python} | | left out: ${entry.reason || entry.groupReason || "?"} |`;
  const remarks = forms.length > 0 ? [`also ${forms.join(", ")}`] : [];
  let call = paths.map((path) => code(spoken(path))).join(", ");
  if (entry.signature !== null && paths.length === 1 && entry.note === "") {
    const parts = partsOf(entry, paths[0] as string, declarations);
    call = code(parts.call);
    if (parts.lost.length > 0) remarks.push(`without ${parts.lost.map(code).join(", ")}`);
  }
  if (entry.note !== "") remarks.push(entry.note);
  return `| ${python} | ${call} | ${remarks.join("; ")} |`;
}

function section(group: string, findings: readonly Finding[], declarations: Declarations): string {
  const title = group
    .replace(/^torch\.nn modules: /, "Layers: ")
    .replace(/^torch functions: /, "Functions: ");
  const there = findings.filter((f) => f.status !== "left out").length;
  return [
    `### ${title}`,
    "",
    `${there} of ${findings.length}.`,
    "",
    "| PyTorch | Kindling | |",
    "|---|---|---|",
    ...findings.map((f) => row(f, declarations)),
    "",
  ].join("\n");
}

/** The text of the page. */
export function renderPage(findings: readonly Finding[] = survey()): string {
  const declarations = new Declarations();
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const list = groups.get(finding.entry.group) ?? [];
    groups.set(finding.entry.group, [...list, finding]);
  }
  const count = (status: Finding["status"]) => findings.filter((f) => f.status === status).length;
  return [
    "<!-- Made by npm run docs:compatibility from scripts/compatibility/: change that, not this. -->",
    "",
    "# From PyTorch to Kindling",
    "",
    `Of ${findings.length} public names of PyTorch (1.13, and later ones as marked), ${count("there")} are there, for ${count("instead")} something else does the same, and ${count("left out")} are left out, each with the reason.`,
    "",
    "## How code translates",
    "",
    "| PyTorch | Kindling | rule |",
    "|---|---|---|",
    ...RULES.map(({ rule, python, kindling }) => `| ${code(python)} | ${code(kindling)} | ${rule} |`),
    "",
    "## Names",
    "",
    "`F` is `nn.functional`; `optim`, `data`, `io` and `testing` are the doors `kindling/optim`, `kindling/data`, `kindling/io` and `kindling/testing`; everything else, `nn` and `optim` too, is in the main door. Options in braces are optional, in any order. `device`, `layout`, `out`, `memory_format`, `non_blocking`, `size_average` and `reduce` mean nothing here and are not listed.",
    "",
    ...[...groups].map(([group, list]) => section(group, list, declarations)),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}
