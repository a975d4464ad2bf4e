// A heat map of one genre: colours over the poster in grey, and a line around the strongest region.

const WIDTH = 160;
const VEIL = 0.62; // of the colours over the poster
const EVEN = 0.05; // log-odds; a map that rises no higher points to no place
// Oklab, in even steps of lightness; the same colours as in the pictures of keyart explain.
const RAMP = [[.20, 0, -.08], [.38, .09, -.13], [.56, .17, -.02], [.74, .11, .13], [.92, -.01, .13]];

function colour(value) {
  const at = Math.min(1, Math.max(0, value)) * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(at));
  const [l, a, b] = RAMP[low].map((one, place) => one + (at - low) * (RAMP[low + 1][place] - one));
  const cone = [
    l + 0.3963377774 * a + 0.2158037573 * b,
    l - 0.1055613458 * a - 0.0638541728 * b,
    l - 0.0894841775 * a - 1.291485548 * b,
  ].map((one) => one ** 3);
  return [
    4.0767416621 * cone[0] - 3.3077115913 * cone[1] + 0.2309699292 * cone[2],
    -1.2684380046 * cone[0] + 2.6097574011 * cone[1] - 0.3413193965 * cone[2],
    -0.0041960863 * cone[0] - 0.7034186147 * cone[1] + 1.707614701 * cone[2],
  ].map((one) => {
    const linear = Math.min(1, Math.max(0, one));
    return 255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055);
  });
}
const COLOURS = Array.from({ length: 101 }, (_, step) => colour(step / 100));

// The colours from 0 to the most, for a legend.
export const scale = `linear-gradient(to right, ${COLOURS.filter((_, step) => step % 10 === 0)
  .map((one) => `rgb(${one.map((part) => Math.round(VEIL * part + (1 - VEIL) * 128)).join(" ")})`)
  .join(", ")})`;

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

// heat, peak: of the explanation of a genre. most: the log-odds of the brightest colour.
export function drawHeat(canvas, { heat, peak }, most, poster) {
  const aspect = poster.naturalHeight / poster.naturalWidth || 1.5;
  const height = Math.round(WIDTH * aspect), count = WIDTH * height;
  canvas.width = WIDTH;
  canvas.height = height;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (poster.naturalWidth) pen.drawImage(poster, 0, 0, WIDTH, height);
  const image = pen.getImageData(0, 0, WIDTH, height);
  const values = new Float32Array(count), grey = new Uint8Array(count);
  for (let place = 0; place < count; place++) {
    const row = Math.floor(place / WIDTH), column = place % WIDTH;
    values[place] = sample(heat, (row + 0.5) / height, (column + 0.5) / WIDTH);
    const [red, green, blue] = image.data.subarray(4 * place, 4 * place + 3);
    grey[place] = 0.299 * red + 0.587 * green + 0.114 * blue;
  }
  const [dark, light] = ends(grey); // dark posters are as legible as others
  const region = peak < EVEN ? null : strongest(values, WIDTH);
  for (let place = 0; place < count; place++) {
    const tone = 255 * Math.min(1, Math.max(0, (grey[place] - dark) / Math.max(1, light - dark)));
    const step = Math.round(100 * Math.min(1, Math.max(0, values[place] * peak / most)));
    const line = region && isEdge(region, place, WIDTH);
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * place + channel] = line
        ? [255, 226, 170][channel] : VEIL * COLOURS[step][channel] + (1 - VEIL) * tone;
    }
    image.data[4 * place + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
}

// The tones below and above which 2 of 100 pixels are.
function ends(grey) {
  const sorted = Uint8Array.from(grey).sort();
  return [0.02, 0.98].map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
}

// The strongest place, and what is connected with it by places at least half as strong.
function strongest(values, width) {
  let first = 0;
  for (let place = 1; place < values.length; place++) if (values[place] > values[first]) first = place;
  const region = new Uint8Array(values.length), waiting = [first], least = values[first] / 2;
  while (waiting.length) {
    const place = waiting.pop();
    if (region[place] || values[place] < least) continue;
    region[place] = 1;
    if (place % width) waiting.push(place - 1);
    if ((place + 1) % width) waiting.push(place + 1);
    if (place >= width) waiting.push(place - width);
    if (place + width < values.length) waiting.push(place + width);
  }
  return region;
}

function isEdge(region, place, width) {
  if (!region[place]) return false;
  const column = place % width;
  return !(column && column < width - 1 && region[place - 1] && region[place + 1]
    && region[place - width] && region[place + width]);
}
