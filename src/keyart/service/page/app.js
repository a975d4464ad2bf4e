// The page: adds posters and titles, shows a card for each, and downloads all predictions.

import * as api from "/page/api.js";
import { Card } from "/page/card.js";
import { asCsv, asJson, save } from "/page/downloads.js";
import { filmOf } from "/page/names.js";

const AT_ONCE = 3; // posters sent at the same time; other clients need the service too
const byId = (id) => document.getElementById(id);
const cards = [];
const waiting = [];
let busy = 0;
let model = null;

function announce(text) {
  byId("status").textContent = text;
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

async function loadModel() {
  model ??= api.get("/v1/model").then((found) => {
    describe(found);
    return found;
  });
  try {
    return await model;
  } catch (problem) {
    model = null;
    notice(problem.message);
    throw problem;
  }
}

function describe({ card, metrics, films, name, offers }) {
  byId("named").hidden = !offers.evidence.some((kinds) => kinds.includes("title"));
  byId("by-title").hidden = !offers.evidence.some((kinds) => !kinds.includes("poster"));
  const metric = metrics.mean_average_precision;
  const parts = [name && `Model “${name}”`, films.train && `trained on ${films.train.toLocaleString("en")} films`];
  if (metric) parts.push(`mean average precision ${metric.value.toFixed(3)} on films it was not trained on`);
  byId("metrics").textContent = parts.filter(Boolean).join(", ");
  byId("card").textContent = card;
  byId("about").hidden = false;
}

function add(files) {
  const pictures = [...files].filter((file) => file.size > 0 || file.type);
  if (!pictures.length) {
    notice("That was not a file. Save the picture first, then drop the file here.");
    return;
  }
  const names = pictures.map((file) => file.name);
  addFilms(pictures.map((file) => [file, filmOf(file.name, names)]));
}

function addFilms(films) {
  notice("");
  loadModel().then((found) => {
    for (const [file, film] of films) {
      const card = new Card(file, film, found, announce);
      card.find(".remove").onclick = () => remove(card);
      card.element.addEventListener("changed", () => ask(card));
      card.element.addEventListener("answered", showControls);
      cards.push(card);
      byId("posters").append(card.element);
      ask(card);
    }
  }, () => {});
}

function ask(card) {
  if (!waiting.includes(card)) waiting.push(card);
  showControls();
  readNext();
}

async function readNext() {
  while (busy < AT_ONCE && waiting.length) {
    const card = waiting.shift();
    busy++;
    card.read().finally(() => {
      busy--;
      showControls();
      readNext();
    });
  }
}

function remove(card) {
  const place = cards.indexOf(card);
  cards.splice(place, 1);
  if (waiting.includes(card)) waiting.splice(waiting.indexOf(card), 1);
  card.forget();
  showControls();
  (cards[place] ?? cards[place - 1])?.find(".remove").focus() ?? byId("file").focus();
}

function showControls() {
  const read = cards.filter((card) => card.answer).length;
  const films = cards.every((card) => card.file) ? "poster" : "film";
  const count = cards.length === 1 ? `1 ${films}` : `${cards.length} ${films}s`;
  byId("controls").hidden = !cards.length;
  byId("count").textContent = read === cards.length ? count : `${read} of ${count} read`;
  byId("csv").disabled = byId("json").disabled = !read;
  document.body.classList.toggle("playing", cards.length > 0);
}

// A row for each film that was read or refused, as `keyart predict` gives.
const answers = () => cards.filter((card) => card.answer || card.problem).map(
  ({ name, file, film, answer, problem }) => ({
    title: film.title || null,
    poster: file ? name : null,
    ...(answer
      ? {
        genres: answer.genres,
        maybe: answer.maybe,
        unsure: answer.unsure,
        evidence: answer.evidence,
        ...(answer.reason && { reason: answer.reason }),
        ...(answer.warning && { warning: answer.warning }),
        scores: answer.scores,
        ...(answer.corrected && { corrected: answer.corrected }),
      }
      : { reason: problem }),
  }));

byId("file").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});

byId("by-title").addEventListener("submit", (event) => {
  event.preventDefault();
  const { title, year } = event.target.elements;
  if (!title.value.trim()) return;
  addFilms([[null, { title: title.value.trim(), year: year.value }]]);
  event.target.reset();
});

byId("csv").addEventListener("click", async () => {
  const genres = (await model).genres.map((genre) => genre.name);
  save(asCsv(answers(), genres), "keyart.csv", "text/csv");
});

byId("json").addEventListener("click", () => save(asJson(answers()), "keyart.json", "application/json"));

byId("clear").addEventListener("click", () => {
  for (const card of [...cards]) card.forget();
  cards.length = waiting.length = 0;
  showControls();
  byId("file").focus();
});

document.addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) add(event.clipboardData.files);
});

let over = 0; // dragenter and dragleave are sent for every child
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "dragenter") over++;
    if (kind === "dragleave") over--;
    if (kind === "drop") {
      over = 0;
      add(event.dataTransfer.files);
    }
    document.body.classList.toggle("dropping", over > 0);
  });
}

loadModel().catch(() => {});
