"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const [NAME, ID, YEAR, GENRES, MAYBE, SCORES, LISTED, REASON, ODD, DOUBT, PICTURE] = Array(11).keys();
const { films, genres, pictures } = data;
const find = (id) => document.getElementById(id);
const grid = find("grid"), room = document.createElement("div");
const WIDTH = 158, GAP = 8, EXTRA = 3; // pixels, pixels, rows of tiles beyond what is seen
const hasLists = films.some((film) => film[LISTED]);
const TALL = hasLists ? 304 : 284;
const percent = (score) => `${Math.round(score / 10)}%`;
const names = (places) => places.map((place) => genres[place]).join(" · ");

let shown = [], current = 0, across = 1, tiles = new Map();

function element(kind, className, text) {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function picture(number, large) {
  if (!films[number][PICTURE]) return null;
  if (pictures) return pictures[number] ? `data:image/jpeg;base64,${pictures[number]}` : null;
  return `/${large ? "large" : "poster"}/${number}`;
}

// What is shown, and in which order.
function choose() {
  const text = find("text").value.trim().toLowerCase(), show = find("show").value;
  const genre = find("genre").value === "" ? null : Number(find("genre").value);
  const as = find("as").value, least = 10 * find("least").value, sort = find("sort").value;
  const has = {
    predicted: (film) => film[GENRES].includes(genre),
    maybe: (film) => film[GENRES].includes(genre) || film[MAYBE].includes(genre),
    listed: (film) => film[LISTED]?.includes(genre),
    missing: (film) => film[GENRES].includes(genre) && !film[LISTED]?.includes(genre),
    score: (film) => film[SCORES] && film[SCORES][genre] >= least,
  }[as];
  const kind = {
    "": () => true,
    unsure: (film) => film[SCORES] && !film[GENRES].length && !film[ODD],
    odd: (film) => film[ODD],
    failed: (film) => !film[SCORES],
  }[show];
  shown = [];
  films.forEach((film, number) => {
    if (text && !`${film[NAME]} ${film[ID]}`.toLowerCase().includes(text)) return;
    if (genre !== null && !has(film)) return;
    if (kind(film)) shown.push(number);
  });
  const score = (number) => films[number][SCORES]
    ? genre === null ? Math.max(...films[number][SCORES]) : films[number][SCORES][genre] : -1;
  if (sort === "doubt") shown.sort((a, b) => films[b][DOUBT] - films[a][DOUBT]);
  if (sort === "score") shown.sort((a, b) => score(b) - score(a));
  if (sort === "name") shown.sort((a, b) => films[a][NAME].localeCompare(films[b][NAME]));
  find("least-label").hidden = genre === null || as !== "score";
  find("as-label").hidden = genre === null;
  find("count").textContent = shown.length === films.length
    ? `${films.length.toLocaleString("en")} films` : `${shown.length.toLocaleString("en")} of ${films.length.toLocaleString("en")} films`;
  current = 0;
  grid.scrollTop = 0;
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  draw();
}

// Tiles that are seen, and a few rows around them; all others are not in the document.
function draw() {
  across = Math.max(2, Math.floor((grid.clientWidth - GAP) / WIDTH));
  const wide = Math.floor((grid.clientWidth - GAP) / across);
  const rows = Math.ceil(shown.length / across);
  room.style.height = `${rows * TALL + 2 * GAP}px`;
  const first = Math.max(0, Math.floor(grid.scrollTop / TALL) - EXTRA);
  const last = Math.min(rows, Math.ceil((grid.scrollTop + grid.clientHeight) / TALL) + EXTRA);
  const from = first * across, to = Math.min(shown.length, last * across);
  for (const [place, tile] of tiles) {
    if (place < from || place >= to) {
      tile.querySelector("img")?.removeAttribute("src"); // not asked for any more
      tile.remove();
      tiles.delete(place);
    }
  }
  for (let place = from; place < to; place++) {
    let tile = tiles.get(place);
    if (!tile) tiles.set(place, grid.appendChild((tile = make(place))));
    tile.style.width = `${wide - GAP}px`;
    tile.style.height = `${TALL - GAP}px`;
    tile.style.transform = `translate(${GAP + (place % across) * wide}px, ${GAP + Math.floor(place / across) * TALL}px)`;
    tile.classList.toggle("current", place === current);
  }
  find("empty")?.remove();
  if (!shown.length) {
    const empty = element("p", "", "No film matches.");
    empty.id = "empty";
    grid.append(empty);
  }
}

function make(place) {
  const number = shown[place], film = films[number];
  const tile = element("button", "tile"), frame = element("div", "frame");
  tile.type = "button";
  tile.tabIndex = -1; // the grid has the focus; arrows move in it
  const source = picture(number, false);
  if (source) {
    const image = element("img");
    image.alt = "";
    image.decoding = "async";
    image.onerror = () => { if (image.isConnected) image.replaceWith("no picture"); };
    image.src = source;
    frame.append(image);
  } else frame.append("no picture");
  tile.append(frame, element("b", "", label(film)));
  if (film[SCORES]) {
    const said = film[GENRES].length ? names(film[GENRES]) : film[MAYBE].length ? `maybe ${names(film[MAYBE])}` : "unsure";
    tile.append(element("span", film[GENRES].length ? "" : "unsure", film[ODD] ? "not a poster?" : said));
  } else tile.append(element("span", "problem", film[REASON] || "not predicted"));
  if (film[LISTED]) tile.append(element("span", "listed", `listed: ${names(film[LISTED]) || "none"}`));
  tile.title = tile.lastChild.textContent;
  tile.onclick = () => { move(place); open(); };
  return tile;
}

const label = (film) => film[YEAR] ? `${film[NAME]} (${film[YEAR]})` : film[NAME];

function move(place) {
  if (!shown.length) return;
  current = Math.min(shown.length - 1, Math.max(0, place));
  const top = Math.floor(current / across) * TALL;
  if (top < grid.scrollTop) grid.scrollTop = top;
  if (top + TALL > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + TALL + GAP - grid.clientHeight;
  draw();
  grid.setAttribute("aria-label", `Films: ${current + 1} of ${shown.length}, ${label(films[shown[current]])}`);
}

function open() {
  if (!shown.length) return;
  const number = shown[current], film = films[number];
  const source = picture(number, true);
  find("large").hidden = !source;
  find("no-picture").hidden = Boolean(source);
  if (source) find("large").src = source;
  find("large").alt = `Poster of ${film[NAME]}`;
  find("film-name").textContent = label(film);
  find("film-facts").textContent = [film[ID], `${current + 1} of ${shown.length}`].filter(Boolean).join(" · ");
  const said = element("b", "", film[GENRES].length ? names(film[GENRES]) : film[SCORES] ? "unsure" : "not predicted");
  find("film-genres").replaceChildren(said, film[MAYBE].length ? ` maybe ${names(film[MAYBE])}` : "",
    film[LISTED] ? `; listed: ${names(film[LISTED]) || "none"}` : "");
  find("film-why").textContent = film[ODD] ? "The picture does not look like a poster." : film[REASON];
  const order = film[SCORES] ? [...genres.keys()].filter((place) => film[SCORES][place] >= 0).sort((a, b) => film[SCORES][b] - film[SCORES][a]) : [];
  find("film-scores").replaceChildren(...order.map((place) => {
    const row = element("li", film[GENRES].includes(place) ? "predicted" : "");
    const name = element("span", "", genres[place]), meter = element("span", "meter");
    if (film[LISTED]?.includes(place)) name.append(element("span", "mark", " listed"));
    meter.style.setProperty("--score", `${film[SCORES][place] / 10}%`);
    row.append(name, meter, element("span", "number", percent(film[SCORES][place])));
    return row;
  }));
  if (!find("film").open) find("film").showModal();
}

function step(by) {
  move(current + by);
  open();
}

find("of").textContent = data.name;
document.title = `${data.name}: keyart browse`;
genres.forEach((name, place) => find("genre").append(new Option(name, place)));
if (!hasLists) for (const value of ["listed", "missing"]) find("as").querySelector(`[value=${value}]`).remove();
room.className = "room";
grid.append(room);
find("filter").onsubmit = (event) => event.preventDefault();
find("filter").oninput = () => {
  find("least-value").textContent = `${find("least").value}%`;
  choose();
};
let waiting = false;
const later = () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
};
grid.addEventListener("scroll", later, { passive: true });
new ResizeObserver(later).observe(grid);
grid.onkeydown = (event) => {
  const page = across * Math.max(1, Math.floor(grid.clientHeight / TALL));
  const to = {
    ArrowRight: current + 1, ArrowLeft: current - 1, ArrowDown: current + across, ArrowUp: current - across,
    PageDown: current + page, PageUp: current - page, Home: 0, End: shown.length - 1,
  }[event.key];
  if (to !== undefined) move(to);
  else if (event.key === "Enter" || event.key === " ") open();
  else return;
  event.preventDefault();
};
document.onkeydown = (event) => {
  if (find("film").open) {
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  } else if (event.key === "/" && !event.target.closest("input, select")) {
    event.preventDefault();
    find("text").focus();
  } else if (event.key === "Escape") grid.focus();
};
find("close").onclick = () => find("film").close();
find("previous").onclick = () => step(-1);
find("next").onclick = () => step(1);
// The event comes a moment later; who is in a field by then stays there.
find("film").onclose = () => { if (!document.activeElement?.closest("#filter")) grid.focus(); };
find("film").onclick = (event) => { if (event.target === find("film")) find("film").close(); };
choose();
grid.focus({ preventScroll: true });
