/** A program for `kindling run`, in `command.test.ts`: what it does is its first argument. */
import { tensor } from "kindling";
import { allReduce, barrier, initProcessGroup } from "kindling/distributed";

const [what] = process.argv.slice(2);
const rank = initProcessGroup().rank();
const { RANK, LOCAL_RANK, WORLD_SIZE, KINDLING_THREADS } = process.env;

if (what === "hello") {
  const x = tensor([rank + 1]);
  allReduce(x);
  console.log(`env ${RANK} ${LOCAL_RANK} ${WORLD_SIZE} ${KINDLING_THREADS}`);
  console.log(`sum ${x.item()}\nargs ${process.argv.slice(2).join(" ")}`);
  process.stderr.write("no end of line");
}
if (what === "throw" && rank === 1) throw new RangeError("rank 1 has had enough");
if (what === "exit" && rank === 1) process.exit(7);
if (what === "throw" || what === "exit") barrier();
if (what === "listen") {
  process.on("SIGTERM", () => {
    console.log("saving");
    process.exit(0);
  });
  setInterval(() => undefined, 1000);
}
if (what === "listen" || what === "loop") {
  barrier();
  if (rank === 0) console.log("ready");
}
if (what === "loop") for (;;) allReduce(tensor([rank])); // its event loop never turns
