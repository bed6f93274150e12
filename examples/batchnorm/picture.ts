/** The picture of the comparison, as SVG: values by layer, gradients by layer, loss by step. */
import type { LayerStatistics, Run } from "./main.js";

const [WIDTH, PANEL_WIDTH, PANEL_HEIGHT] = [920, 380, 200];
const COLOURS = ["#cf222e", "#1f6feb"] as const;

interface Axes {
  title: string;
  xLabel: string;
  /** Where the panel stands: column 0 or 1, row 0, 1 or 2. */
  at: readonly [column: number, row: number];
  x: readonly [from: number, to: number];
  y: readonly [from: number, to: number];
  /** Whether y is the power of ten. */
  log?: boolean;
}

/** A panel's frame, and where values lie in it. */
class Panel {
  readonly parts: string[] = [];
  private readonly axes: Axes;
  private readonly left: number;
  private readonly top: number;

  constructor(axes: Axes) {
    this.axes = axes;
    this.left = 60 + axes.at[0] * (PANEL_WIDTH + 70);
    this.top = 92 + axes.at[1] * (PANEL_HEIGHT + 80);
    const [y0, y1] = axes.y;
    const label = (y: number) =>
      axes.log === true ? `1e${Math.round(y)}` : Number(y.toPrecision(3)).toString();
    const step = axes.log === true ? Math.max(1, Math.ceil((y1 - y0) / 8)) : (y1 - y0) / 4;
    for (let y = y0; y <= y1 + step / 1e6; y += step) {
      this.parts.push(
        `<line x1="${this.left}" x2="${this.left + PANEL_WIDTH}" y1="${this.py(y)}" y2="${this.py(y)}" stroke="#d0d7de"/>`,
        `<text x="${this.left - 6}" y="${Number(this.py(y)) + 4}" text-anchor="end">${label(y)}</text>`,
      );
    }
    const [x0, x1] = axes.x;
    const ticks = Math.min(6, x1 - x0);
    for (let i = 0; i <= ticks; i++) {
      const x = Math.round(x0 + ((x1 - x0) * i) / ticks);
      this.parts.push(
        `<text x="${this.px(x)}" y="${this.top + PANEL_HEIGHT + 16}" text-anchor="middle">${x}</text>`,
      );
    }
    const middle = this.left + PANEL_WIDTH / 2;
    this.parts.push(
      `<text x="${middle}" y="${this.top + PANEL_HEIGHT + 32}" text-anchor="middle">${axes.xLabel}</text>`,
      `<text x="${this.left}" y="${this.top - 10}" font-size="14">${axes.title}</text>`,
    );
  }

  private px(x: number): string {
    const [from, to] = this.axes.x;
    return (this.left + (PANEL_WIDTH * (x - from)) / (to - from)).toFixed(1);
  }

  private py(y: number): string {
    const [from, to] = this.axes.y;
    const share = Math.min(1, Math.max(0, (y - from) / (to - from)));
    return (this.top + PANEL_HEIGHT * (1 - share)).toFixed(1);
  }

  /** A curve: its x go from `first` on, `apart` from one to the next. */
  line(values: readonly number[], colour: string, first: number, apart = 1): void {
    const points = values.map((y, i) => `${this.px(first + i * apart)},${this.py(y)}`).join(" ");
    this.parts.push(`<polyline fill="none" stroke="${colour}" stroke-width="1.8" points="${points}"/>`);
  }

  /** The area between two curves. */
  band(low: readonly number[], high: readonly number[], colour: string, opacity: number): void {
    const there = high.map((y, i) => `${this.px(i + 1)},${this.py(y)}`);
    const back = low.map((y, i) => `${this.px(i + 1)},${this.py(y)}`).reverse();
    this.parts.push(
      `<polygon fill="${colour}" opacity="${opacity}" points="${[...there, ...back].join(" ")}"/>`,
    );
  }
}

/** Quantiles of each layer's values: 5 to 95 % light, 25 to 75 % darker, the median as a line. */
function layersPanel(
  title: string,
  at: Axes["at"],
  layers: readonly LayerStatistics[],
  limit: number,
  colour: string,
): Panel {
  const panel = new Panel({ title, xLabel: "layer", at, x: [1, layers.length], y: [-limit, limit] });
  const quantile = (k: number) => layers.map((layer) => layer.quantiles[k] as number);
  panel.band(quantile(0), quantile(4), colour, 0.25);
  panel.band(quantile(1), quantile(3), colour, 0.4);
  panel.line(quantile(2), colour, 1);
  return panel;
}

/** Means of pieces of a curve, so that it is readable. */
function smooth(values: readonly number[], pieces: number): number[] {
  const size = Math.max(1, Math.ceil(values.length / pieces));
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => {
    const part = values.slice(i * size, (i + 1) * size);
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
}

/** The whole picture. */
export function drawComparison(without: Run, withNorm: Run): string {
  const runs = [without, withNorm];
  const all = runs.flatMap((run) => [...run.before, ...run.after]).flatMap((layer) => layer.quantiles);
  const limit = Math.min(8, Math.ceil(Math.max(1, ...all.filter(Number.isFinite).map(Math.abs))));
  const panels = runs.flatMap((run, column) => [
    layersPanel(`${run.name}, before training`, [column, 0], run.before, limit, COLOURS[column] as string),
    layersPanel(
      `${run.name}, after ${run.losses.length} steps`,
      [column, 1],
      run.after,
      limit,
      COLOURS[column] as string,
    ),
  ]);

  const logs = runs.map((run) => run.gradients.map((g) => Math.log10(Math.max(g, 1e-30))));
  const gradients = new Panel({
    title: "size of each layer's weight gradient, first step",
    xLabel: "layer",
    at: [0, 2],
    x: [1, withNorm.gradients.length],
    y: [Math.floor(Math.min(...logs.flat())), Math.ceil(Math.max(...logs.flat()))],
    log: true,
  });
  const curves = runs.map((run) => smooth(run.losses, 100));
  const highest = Math.max(...curves.flat().filter(Number.isFinite));
  const steps = withNorm.losses.length;
  const losses = new Panel({
    title: "training loss",
    xLabel: "step",
    at: [1, 2],
    x: [0, steps],
    y: [0, Math.ceil(2 * highest) / 2],
  });
  runs.forEach((_, i) => {
    gradients.line(logs[i] as number[], COLOURS[i] as string, 1);
    const curve = curves[i] as number[];
    const apart = Math.ceil(steps / 100);
    losses.line(curve, COLOURS[i] as string, (apart - 1) / 2, apart);
  });

  const legend = runs.map(
    (run, i) => `<text x="${60 + 180 * i}" y="44" fill="${COLOURS[i]}">&#9632; ${run.name}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${92 + 3 * (PANEL_HEIGHT + 80) - 20}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="60" y="24" font-size="16">What goes into each layer's ReLU, with and without BatchNorm</text>`,
    ...legend,
    ...[...panels, gradients, losses].flatMap((panel) => panel.parts),
    "</svg>",
    "",
  ].join("\n");
}
