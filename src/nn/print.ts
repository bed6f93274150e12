/** The text of a module: PyTorch's nested representation. */

function indented(text: string): string {
  return text.replaceAll("\n", "\n  ");
}

/** `Name(extra)` for a leaf, and one line for each child, nested, in between. */
export function formatModule(
  name: string,
  extra: string,
  children: readonly (readonly [string, string])[],
): string {
  const extraLines = extra === "" ? [] : extra.split("\n");
  const childLines = children.map(([key, text]) => `(${key}): ${indented(text)}`);
  if (childLines.length === 0 && extraLines.length <= 1) return `${name}(${extra})`;
  const lines = [...extraLines, ...childLines];
  if (lines.length === 0) return `${name}()`;
  return `${name}(\n  ${lines.join("\n  ")}\n)`;
}

/** Equal neighbours as one line, `(0-2): 3 x Linear(...)`, as ModuleList prints. */
export function foldRepeats(children: readonly (readonly [string, string])[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i < children.length; ) {
    const [key, text] = children[i] as readonly [string, string];
    let end = i + 1;
    while (end < children.length && (children[end] as readonly [string, string])[1] === text) end++;
    if (end - i === 1) out.push([key, text]);
    else out.push([`${key}-${(children[end - 1] as readonly [string, string])[0]}`, `${end - i} x ${text}`]);
    i = end;
  }
  return out;
}

/** A number as JavaScript writes it, but those below 1e-4 as 1e-5, as Python does. */
function showNumber(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
}

/** A value in extraRepr: tuples as `(1, 2)`, strings quoted, numbers by {@link showNumber}. */
export function showValue(value: unknown): string {
  if (Array.isArray(value)) return `(${value.map(showValue).join(", ")})`;
  if (typeof value === "number") return showNumber(value);
  return typeof value === "string" ? `'${value}'` : String(value);
}

/** `a=1, b=(2, 3)` from an object. */
export function showOptions(options: Readonly<Record<string, unknown>>): string {
  return Object.entries(options)
    .map(([key, value]) => `${key}=${showValue(value)}`)
    .join(", ");
}
