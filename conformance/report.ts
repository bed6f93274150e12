/** Counts outcomes per name and prints them as a table or as JSON. */
import type { Outcome } from "./replay.js";

/** How many cases ended which way. */
export interface Counts {
  passed: number;
  failed: number;
  unsupported: number;
}

/** The counts of one name, and the distinct reasons of its cases that did not pass, with one case id each. */
export interface NameReport extends Counts {
  readonly reasons: Map<string, { status: Outcome["status"]; example: string; count: number }>;
}

/** All outcomes of a run. */
export class Report {
  readonly total: Counts = { passed: 0, failed: 0, unsupported: 0 };
  readonly byName = new Map<string, NameReport>();

  /** Records how the case `id` of the file `name` ended. */
  add(name: string, id: string, { status, reason }: Outcome): void {
    const entry = this.byName.get(name) ?? { passed: 0, failed: 0, unsupported: 0, reasons: new Map() };
    this.byName.set(name, entry);
    entry[status]++;
    this.total[status]++;
    if (status !== "passed") {
      const seen = entry.reasons.get(reason);
      entry.reasons.set(reason, { status, example: seen?.example ?? id, count: (seen?.count ?? 0) + 1 });
    }
  }
}

/** `{ total, byName }` on one line. */
export function asJson({ total, byName }: Report): string {
  const names = [...byName].map(([name, { passed, failed, unsupported, reasons }]) => {
    const why = [...reasons].map(([reason, { status, example, count }]) => ({
      status,
      reason,
      example,
      count,
    }));
    return [name, { passed, failed, unsupported, ...(why.length > 0 ? { reasons: why } : {}) }];
  });
  return JSON.stringify({ total, byName: Object.fromEntries(names) });
}

function row(name: string, { passed, failed, unsupported }: Counts, width: number): string {
  const cells = [passed, failed, unsupported].map((count) => String(count).padStart(12));
  return name.padEnd(width) + cells.join("");
}

/** The reasons shared by many names, most frequent first: what is missing, at a glance. */
function reasonTable(report: Report): string[] {
  const counts = new Map<string, number>();
  for (const { reasons } of report.byName.values()) {
    for (const [reason, { status, count }] of reasons) {
      if (status === "unsupported") {
        counts.set(reason, (counts.get(reason) ?? 0) + count);
      }
    }
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  return sorted.map(([reason, count]) => `${String(count).padStart(6)}  ${reason}`);
}

/** A table with a row for every name (verbose) or for those that did not pass whole, reasons, and the total. */
export function asText(report: Report, verbose: boolean): string {
  const names = [...report.byName].filter(([, entry]) => verbose || entry.failed + entry.unsupported > 0);
  const width = Math.max(24, ...names.map(([name]) => name.length + 2));
  const lines = [`${"name".padEnd(width)}      passed      failed unsupported`];
  for (const [name, entry] of names) {
    lines.push(row(name, entry, width));
    const reasons = [...entry.reasons].filter(([, { status }]) => status === "failed");
    for (const [reason, { example, count }] of verbose ? reasons : reasons.slice(0, 3)) {
      lines.push(`    ${count} x ${example}: ${reason}`);
    }
  }
  const unsupported = reasonTable(report);
  if (unsupported.length > 0) {
    lines.push("", "unsupported:", ...unsupported);
  }
  lines.push("", row("total", report.total, width));
  return lines.join("\n");
}
