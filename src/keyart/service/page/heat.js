// A heat map of one genre: coarse values, smoothed, as light on a dimmed poster.

const WIDTH = 80;
const ease = (t) => t * t * (3 - 2 * t);

function sample(map, y, x) {
  const rows = map.length, columns = map[0].length;
  const at = (row, column) =>
    map[Math.min(rows - 1, Math.max(0, row))][Math.min(columns - 1, Math.max(0, column))];
  const down = y * rows - 0.5, across = x * columns - 0.5;
  const row = Math.floor(down), column = Math.floor(across);
  const v = ease(down - row), u = ease(across - column);
  return (at(row, column) * (1 - u) + at(row, column + 1) * u) * (1 - v)
    + (at(row + 1, column) * (1 - u) + at(row + 1, column + 1) * u) * v;
}

export function drawHeat(canvas, map, aspect) {
  const height = Math.round(WIDTH * aspect);
  canvas.width = WIDTH;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(WIDTH, height);
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < WIDTH; column++, i += 4) {
      const heat = sample(map, (row + 0.5) / height, (column + 0.5) / WIDTH) ** 0.8;
      const veil = 0.68 * (1 - heat), glow = 0.28 * heat * heat;
      image.data[i] = (10 * veil + 255 * glow) / (veil + glow);
      image.data[i + 1] = (12 * veil + 176 * glow) / (veil + glow);
      image.data[i + 2] = (22 * veil + 32 * glow) / (veil + glow);
      image.data[i + 3] = 255 * (veil + glow);
    }
  }
  pen.putImageData(image, 0, 0);
}
