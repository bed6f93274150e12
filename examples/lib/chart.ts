/** A line chart as SVG, without a library: enough to look at a loss curve. */

/** One curve. */
export interface Curve {
  name: string;
  values: readonly number[];
}

const COLOURS = ["#1f6feb", "#d29922", "#2da44e", "#cf222e"];

/** At most `most` points, each the mean of its neighbours, so that a long curve stays readable. */
function thin(values: readonly number[], most: number): { x: number; y: number }[] {
  const step = Math.max(1, Math.ceil(values.length / most));
  const points: { x: number; y: number }[] = [];
  for (let i = 0; i < values.length; i += step) {
    const part = values.slice(i, i + step);
    points.push({ x: i + (part.length - 1) / 2, y: part.reduce((a, b) => a + b, 0) / part.length });
  }
  return points;
}

/** An SVG picture of curves over steps. */
export function lineChart(title: string, yLabel: string, curves: readonly Curve[]): string {
  const [width, height, left, right, top, bottom] = [760, 420, 64, 20, 44, 48];
  const data = curves.map((c) => thin(c.values, 300));
  const longest = Math.max(1, ...curves.map((c) => c.values.length - 1));
  const ys = data
    .flat()
    .map((p) => p.y)
    .filter(Number.isFinite);
  const low = Math.min(0, ...ys);
  const high = Math.max(...ys, low + 1e-9);
  const px = (x: number) => left + ((width - left - right) * x) / longest;
  const py = (y: number) => height - bottom - ((height - top - bottom) * (y - low)) / (high - low);
  const grid = Array.from({ length: 6 }, (_, i) => low + ((high - low) * i) / 5).map(
    (y) =>
      `<line x1="${left}" x2="${width - right}" y1="${py(y).toFixed(1)}" y2="${py(y).toFixed(1)}" stroke="#d0d7de"/>` +
      `<text x="${left - 8}" y="${(py(y) + 4).toFixed(1)}" text-anchor="end">${y.toPrecision(3)}</text>`,
  );
  const ticks = Array.from({ length: 6 }, (_, i) => Math.round((longest * i) / 5)).map(
    (x) => `<text x="${px(x).toFixed(1)}" y="${height - bottom + 18}" text-anchor="middle">${x}</text>`,
  );
  const lines = data.map((points, i) => {
    const path = points.map((p) => `${px(p.x).toFixed(1)},${py(p.y).toFixed(1)}`).join(" ");
    return `<polyline fill="none" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="1.8" points="${path}"/>`;
  });
  const legend = curves.map(
    (c, i) =>
      `<text x="${width - right - 8}" y="${top + 16 * (i + 1)}" text-anchor="end" fill="${COLOURS[i % COLOURS.length]}">${c.name}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="${left}" y="24" font-size="16">${title}</text>`,
    `<text x="${(left + width - right) / 2}" y="${height - 10}" text-anchor="middle">step</text>`,
    `<text x="14" y="${top - 12}">${yLabel}</text>`,
    ...grid,
    ...ticks,
    ...lines,
    ...legend,
    "</svg>",
    "",
  ].join("\n");
}
