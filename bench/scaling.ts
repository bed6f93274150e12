/**
 * How data-parallel training would scale to many machines, by the alpha-beta model: the tables of docs/scaling.md.
 * `tsx bench/scaling.ts [--latency us --bandwidth GB/s --per-message us]` puts a network of yours in
 * the place of the two.
 */

/** A network between machines. */
interface Network {
  readonly name: string;
  /** Seconds from a send to its receive, software included. */
  readonly latency: number;
  /** Bytes per second that a machine sends while it receives as many. */
  readonly bandwidth: number;
  /** Seconds of a rank's own time for each message that it sends and receives. */
  readonly perMessage: number;
}

/** One step of training on one machine. */
interface Training {
  readonly name: string;
  /** Bytes of gradients. */
  readonly bytes: number;
  /** Seconds of a step without communication. */
  readonly step: number;
  /** Bytes of a bucket. */
  readonly bucket: number;
}

const MACHINES = [2, 8, 64, 512] as const;

/** Seconds of an allReduce in a ring: 2 (N - 1) messages one after another, which carry 2 (N - 1) / N of the bytes. */
function ring(machines: number, bytes: number, { latency, bandwidth }: Network): number {
  return 2 * (machines - 1) * latency + (2 * ((machines - 1) / machines) * bytes) / bandwidth;
}

/**
 * Seconds of Kindling's allReduce: headers, parts to their owners, reduced parts to all, so three latencies. In each of
 * these phases a rank sends N - 1 messages and receives as many, which costs it time of its own.
 */
function direct(machines: number, bytes: number, network: Network): number {
  const { latency, bandwidth, perMessage } = network;
  const volume = (2 * ((machines - 1) / machines) * bytes) / bandwidth;
  return 3 * (latency + (machines - 1) * perMessage) + volume;
}

const argv = process.argv.slice(2);
const option = (name: string) => (argv.includes(name) ? Number(argv[argv.indexOf(name) + 1]) : null);
const given = {
  latency: option("--latency"),
  bandwidth: option("--bandwidth"),
  perMessage: option("--per-message"),
};

// Latency: what one exchange costs in software here (12 us over TCP, 2.4 us in shared memory), and the way through cables
// and a switch on top. Bandwidth: that of the wire, and no more than a rank exchanges and reduces in shared memory here.
const NETWORKS: readonly Network[] =
  given.latency === null
    ? [
        { name: "10 Gbit/s Ethernet, TCP", latency: 30e-6, bandwidth: 1.1e9, perMessage: 5.5e-6 },
        { name: "100 Gbit/s, RDMA", latency: 4e-6, bandwidth: 5e9, perMessage: 0.35e-6 },
      ]
    : [
        {
          name: "the network given",
          latency: given.latency * 1e-6,
          bandwidth: (given.bandwidth ?? 1.1) * 1e9,
          perMessage: (given.perMessage ?? 5.5) * 1e-6,
        },
      ];

const TRAININGS: readonly Training[] = [
  { name: "mnist-cnn, 20,682 parameters, 8 ms", bytes: 82_728, step: 8e-3, bucket: 2 ** 20 },
  { name: "11 million parameters, 1 s", bytes: 44e6, step: 1, bucket: 25 * 2 ** 20 },
  { name: "124 million parameters, 10 s", bytes: 496e6, step: 10, bucket: 25 * 2 ** 20 },
];

/** Seconds of all exchanges of a step: one allReduce for each bucket. */
function exchanges({ bytes, bucket }: Training, allReduce: (bytes: number) => number): number {
  const buckets = Math.ceil(bytes / bucket);
  return buckets * allReduce(bytes / buckets);
}

const show = (s: number) =>
  s >= 0.1 ? `${s.toFixed(2)} s` : s >= 1e-4 ? `${(s * 1e3).toFixed(1)} ms` : `${(s * 1e6).toFixed(0)} us`;

const round = (n: number) => Number(n.toPrecision(3));
for (const network of NETWORKS) {
  const { name, latency, bandwidth, perMessage } = network;
  const facts = [
    `latency ${round(latency * 1e6)} us`,
    `${round(bandwidth / 1e9)} GB/s`,
    `${round(perMessage * 1e6)} us for a message`,
  ];
  console.log(`\n${name}: ${facts.join(", ")}\n`);
  console.log(
    "| training | machines | allReduce in a ring | efficiency | Kindling's allReduce | efficiency |",
  );
  console.log("|---|---|---|---|---|---|");
  for (const training of TRAININGS) {
    for (const n of MACHINES) {
      const cells = [ring, direct].map((allReduce) => {
        const t = exchanges(training, (bytes) => allReduce(n, bytes, network));
        return `${show(t)} | ${((100 * training.step) / (training.step + t)).toFixed(0)}%`;
      });
      console.log(`| ${training.name} | ${n} | ${cells.join(" | ")} |`);
    }
  }
}
