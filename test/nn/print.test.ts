/** Every layer prints what PyTorch prints, in this library's names and JavaScript's literals. */
import { readFileSync } from "node:fs";
import { nn } from "kindling";
import { SyncBatchNorm } from "kindling/distributed";
import { expect, test } from "vitest";
import { toField } from "../../src/nn/naming.js";

interface Recorded {
  name: string;
  args: unknown[];
  options: Record<string, unknown>;
  text: string;
}

type AnyLayer = new (...args: unknown[]) => nn.AnyModule;

const layers: Readonly<Record<string, unknown>> = { ...nn, SyncBatchNorm };
const path = new URL("../fixtures/repr.json", import.meta.url);
const recorded = JSON.parse(readFileSync(path, "utf8")) as Recorded[];

/** PyTorch's text with camelCase names, JavaScript's literals and, for Upsample, the quotes of PyTorch 2. */
function translated(text: string): string {
  return text
    .replace(/\b[a-z]\w*_\w+\b/g, toField)
    .replace(/\bTrue\b/g, "true")
    .replace(/\bFalse\b/g, "false")
    .replace(/\bNone\b/g, "null")
    .replace(/e-0(\d)/g, "e-$1")
    .replace(/(\d)\.0(?!\d)/g, "$1")
    .replace(/,\)/g, ")")
    .replace(/^(Upsampl.*mode=)(\w+)/, "$1'$2'")
    .replaceAll("NonDynamicallyQuantizableLinear", "Linear");
}

test.each(recorded)("$name $args $options", ({ name, args, options, text }) => {
  const named = Object.fromEntries(Object.entries(options).map(([key, value]) => [toField(key), value]));
  const layer = new (layers[name] as AnyLayer)(...args, ...(Object.keys(named).length > 0 ? [named] : []));
  expect(String(layer)).toBe(translated(text));
});
