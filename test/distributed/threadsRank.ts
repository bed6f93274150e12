/** A rank of the threads world in which vitest runs cases: joins once, then runs the cases that it is told to. */
import { parentPort } from "node:worker_threads";
import { initProcessGroup } from "kindling/distributed";
import type { Case, CaseModule } from "./harness.js";

/** From the test to the rank: which case. From the rank to the test: how it went. */
export type Order = { readonly run: number } | { readonly quit: true };
export type Answer = { readonly kind: "ready" } | { readonly kind: "case"; readonly error: string | null };

/** Serves one file of cases until it is told to quit. */
export default async function serve(file: string, timeout: number): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("this is not the thread of a rank");
  const { cases } = (await import(file)) as CaseModule;
  const group = initProcessGroup("threads", { timeout });
  const answer = (message: Answer) => port.postMessage(message);
  answer({ kind: "ready" });
  port.ref();
  await new Promise<void>((quit) => {
    port.on("message", async (order: Order) => {
      if ("quit" in order) {
        port.close();
        quit();
        return;
      }
      let error: string | null = null;
      try {
        await (cases[order.run] as Case).run(group.rank(), group.size());
      } catch (thrown) {
        error = thrown instanceof Error ? `${thrown.stack}` : String(thrown);
      }
      answer({ kind: "case", error });
    });
  });
}
