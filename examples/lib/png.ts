/** Grey pictures as PNG, and grids of them, with nothing but node:zlib. */
import { crc32, deflateSync } from "node:zlib";

/** A grey picture: rows of bytes, 0 black and 255 white. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(8 + body.length);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), 4 + body.length);
  return out;
}

/** The bytes of a PNG file (8-bit grey). */
export function encodePng({ width, height, pixels }: Picture): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8; // bits a pixel; the bytes after it stay 0: grey, deflate, no filter, not interlaced
  const rows = Buffer.alloc(height * (width + 1)); // each row starts with its filter, 0 for none
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Rows of images of the same size, brightness from 0 to 1, set in a frame and enlarged `scale` times. */
export function grid(rows: readonly (readonly Float32Array[])[], size: number, scale = 2): Picture {
  const gap = 2;
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const width = scale * (columns * (size + gap) + gap);
  const height = scale * (rows.length * (size + gap) + gap);
  const pixels = new Uint8Array(width * height).fill(96);
  for (const [r, row] of rows.entries()) {
    for (const [c, image] of row.entries()) {
      for (let i = 0; i < size * size * scale * scale; i++) {
        const [x, y] = [i % (size * scale), Math.floor(i / (size * scale))];
        const value = image[Math.floor(y / scale) * size + Math.floor(x / scale)] ?? 0;
        const at = (y + scale * (r * (size + gap) + gap)) * width + x + scale * (c * (size + gap) + gap);
        pixels[at] = Math.round(255 * Math.min(1, Math.max(0, value)));
      }
    }
  }
  return { width, height, pixels };
}
