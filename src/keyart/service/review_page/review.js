// The review page: shows one case, keeps what is decided, then shows the next one.

import * as api from "/page/api.js";
import { element, list } from "/page/elements.js";

const LOOK_SECONDS = 3;
const byId = (id) => document.getElementById(id);
const reviewer = own("reviewer", () => crypto.getRandomValues(new Uint32Array(4)).join("-"));
let shown = null; // the case on the page
let busy = true; // keys count only while a case is shown and nothing is under way
let pictures = new Map(); // of the shown case and the next one

// What this browser keeps for itself; without a storage it lasts as long as the page.
function own(name, make) {
  try {
    let value = localStorage.getItem(name);
    if (!value) localStorage.setItem(name, (value = make()));
    return value;
  } catch {
    return make();
  }
}

const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
const author = () => byId("author").value.trim();

function query(values) {
  return new URLSearchParams({ reviewer, ...values }).toString();
}
const chosen = () => ({ kind: byId("kind").value, genre: byId("genre").value });

function percent(chance) {
  const value = 100 * chance;
  if (chance > 0 && value < 1) return `${Number(value.toPrecision(1))}%`;
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}%`;
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

// Tries until it is done: what a person decided must not get lost.
async function until(request) {
  for (;;) {
    try {
      const answer = await request();
      notice("");
      return answer;
    } catch (problem) {
      if (problem.status && problem.status < 500) {
        notice(problem.message);
        throw problem;
      }
      notice(`Not saved yet: ${problem.message} Trying again…`);
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

function picture(row, height) {
  const path = `/v1/review/posters/${row}?height=${height}`;
  if (!pictures.has(path)) pictures.set(path, api.picture(path).catch(() => ""));
  return pictures.get(path);
}

const posters = (one) => [[one.row, 720], ...one.similar.map((film) => [film.row, 240])];

function forgetPictures(cases) {
  const kept = new Set(cases.flatMap(posters).map(([row, height]) => `/v1/review/posters/${row}?height=${height}`));
  for (const [path, url] of pictures) {
    if (kept.has(path)) continue;
    pictures.delete(path);
    url.then((made) => made && URL.revokeObjectURL(made));
  }
}

async function next(first = null) {
  busy = true;
  try {
    await showNext(first);
  } finally {
    busy = false;
  }
}

async function showNext(first) {
  const found = await until(() => api.get(`/v1/review/next?${query(chosen())}`));
  const cases = first ? [first, ...found.cases.filter((one) => one.place !== first.place)] : found.cases;
  showProgress(found.progress);
  showGenres(found.genres);
  forgetPictures(cases.slice(0, 2));
  if (cases.length) show(cases[0]);
  else showEnd(found.progress);
  for (const one of cases.slice(1, 2)) for (const [row, height] of posters(one)) picture(row, height);
}

function showProgress({ cases, decided, conflicts, others, skipped }) {
  const parts = [`${decided} of ${cases} decided`];
  if (others) parts.push(`${others} by others`);
  if (conflicts) parts.push(`${conflicts} in conflict`);
  if (skipped) parts.push(`${skipped} skipped`);
  byId("count").textContent = parts.join(" · ");
  byId("done").max = Math.max(cases, 1);
  byId("done").value = decided;
}

function showGenres(genres) {
  const select = byId("genre");
  const before = select.value;
  const options = Object.entries(genres).map(([name, open]) =>
    element("option", { value: name, text: `${name} (${open})` }));
  if (before && !(before in genres)) options.push(element("option", { value: before, text: `${before} (0)` }));
  select.replaceChildren(element("option", { value: "", text: "all" }), ...options);
  select.value = before;
}

function show(one) {
  shown = one;
  const wrong = one.kind === "wrong";
  byId("case").hidden = false;
  byId("end").hidden = true;
  byId("title").textContent = one.title || one.film_id;
  byId("year").textContent = one.year ?? "";
  byId("question").textContent = wrong ? `Is it ${one.genre}?` : `Is it ${one.genre} too?`;
  const chips = one.listed.map((genre) =>
    element("span", { className: genre === one.genre ? "chip doubtful" : "chip", text: genre }));
  if (!wrong) chips.push(element("span", { className: "chip absent", text: `${one.genre}?` }));
  byId("listed").replaceChildren(...chips);
  byId("accept").lastElementChild.textContent = wrong ? `No: remove ${one.genre}` : `Yes: add ${one.genre}`;
  byId("reject").lastElementChild.textContent = wrong ? `Yes: keep ${one.genre}` : "No: leave it out";
  showTaken([]);
  showEvidence(one, wrong);
  showSimilar(one);
  const image = byId("poster");
  image.removeAttribute("src");
  image.alt = `Poster of ${one.title || one.film_id}`;
  picture(one.row, 720).then((url) => {
    if (shown === one && url) image.src = url;
  });
  byId("case").dataset.place = one.place;
  byId("status").textContent = `${one.title}. ${byId("question").textContent} Listed as ${list.format(one.listed)}.`;
}

function showEvidence({ evidence, p }, wrong) {
  const rows = [...Object.entries(evidence), ["together", wrong ? p : 1 - p]];
  byId("evidence").replaceChildren(...rows.map(([name, chance]) => {
    const meter = element("div", { className: "meter" });
    meter.style.setProperty("--score", chance);
    return element("tr", { className: name === "together" ? name : "" },
      element("th", { scope: "row", text: name }),
      element("td", {}, meter),
      element("td", { className: "number", text: percent(chance) }));
  }));
}

function showSimilar({ similar, genre }) {
  const having = similar.filter((film) => film.genres.includes(genre)).length;
  byId("similar-title").textContent =
    `Films with similar posters: ${having} of ${similar.length} are ${genre}`;
  byId("similar").replaceChildren(...similar.map((film) => {
    const image = element("img", { alt: "" });
    picture(film.row, 240).then((url) => url && (image.src = url));
    const genres = element("span", { className: "film-genres" });
    film.genres.forEach((name, place) => {
      if (place) genres.append(" · ");
      genres.append(name === genre ? element("b", { text: name }) : name);
    });
    return element("li", { className: film.genres.includes(genre) ? "has" : "" },
      image, element("span", { className: "film", text: film.title || film.film_id }), genres);
  }));
}

function showTaken(taken) {
  byId("taken").hidden = !taken.length;
  byId("taken").textContent = taken.length
    ? `${list.format(taken.map((one) => `${one.author} ${said(one.verdict)}`))} already. Press S for the next case. Your decision is saved too.`
    : "";
}

function said(verdict) {
  return verdict === "accept" ? "accepted this" : "rejected this";
}

function showEnd({ cases, decided, skipped }) {
  shown = null;
  byId("case").hidden = true;
  delete byId("case").dataset.place;
  byId("end").hidden = false;
  byId("end-title").textContent = skipped ? "Only skipped cases are left" : "All decided";
  byId("end-text").textContent = `${decided} of ${cases} cases are decided.`;
  byId("again").hidden = !skipped;
}

async function decide(verdict) {
  if (busy || !shown) return;
  busy = true;
  const one = shown;
  const key = newKey(); // the same for every try: it is kept once
  const values = query({ key, place: one.place, verdict, author: author() });
  try {
    const answer = await until(() => api.send(`/v1/review/decisions?${values}`));
    const done = { accept: one.kind === "wrong" ? "removed" : "added", reject: "left as it is", skip: "skipped" };
    const clash = answer.conflict ? `; ${list.format(answer.others.map((other) => other.author))} decided differently; both are saved` : "";
    byId("last").textContent = `${one.title || one.film_id}: ${one.genre} ${done[verdict]}${clash}`;
    await next();
  } finally {
    busy = false;
  }
}

async function undo() {
  if (busy) return;
  busy = true;
  const values = query({ key: newKey(), author: author() });
  try {
    const { place, case: back } = await until(() => api.send(`/v1/review/undo?${values}`));
    byId("last").textContent = place === null ? "Nothing to undo" : `${back.title || back.film_id}: ${back.genre} is open again`;
    await next(back);
  } finally {
    busy = false;
  }
}

async function nextGenre(step) {
  if (busy) return;
  const select = byId("genre");
  const places = select.options.length;
  select.selectedIndex = (select.selectedIndex + step + places) % places;
  await next();
}

// While a case is shown: keep it from others, and learn what they decide.
async function look() {
  if (busy || !shown || document.hidden) return;
  const one = shown;
  const found = await api.get(`/v1/review/state?${query({ place: one.place, ...chosen() })}`).catch(() => null);
  if (!found || shown !== one || busy) return;
  showTaken(found.taken);
  showProgress(found.progress);
}

const KEYS = {
  a: () => decide("accept"),
  r: () => decide("reject"),
  s: () => decide("skip"),
  u: undo,
  g: () => nextGenre(1),
  G: () => nextGenre(-1),
};

document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input, select, textarea, dialog");
  if (writes || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
});

for (const verdict of ["accept", "reject", "skip"]) byId(verdict).addEventListener("click", () => decide(verdict));
byId("undo").addEventListener("click", undo);
byId("next-genre").addEventListener("click", () => nextGenre(1));
byId("again").addEventListener("click", async () => {
  await until(() => api.send(`/v1/review/again?${query({ author: author() })}`));
  await next();
});
for (const id of ["kind", "genre"]) {
  byId(id).addEventListener("change", (event) => {
    event.target.blur(); // so that the next key decides
    next();
  });
}
byId("author").value = own("author", () => "");
byId("author").addEventListener("change", () => {
  try {
    localStorage.setItem("author", author());
  } catch {
    // the name lasts as long as the page
  }
});
byId("author").addEventListener("keydown", (event) => {
  if (event.key === "Enter") event.target.blur();
});

setInterval(look, LOOK_SECONDS * 1000);
next();
