// The page: adds posters, shows a card for each, and downloads all predictions.

import * as api from "/page/api.js";
import { Card } from "/page/card.js";
import { asCsv, asJson, save } from "/page/downloads.js";

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

function describe({ card, metrics, films, name }) {
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
  notice("");
  loadModel().then((found) => {
    for (const file of pictures) {
      const card = new Card(file, found, announce);
      card.find(".remove").onclick = () => remove(card);
      cards.push(card);
      waiting.push(card);
      byId("posters").append(card.element);
    }
    showControls();
    readNext();
  }, () => {});
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
  const posters = cards.length === 1 ? "1 poster" : `${cards.length} posters`;
  byId("controls").hidden = !cards.length;
  byId("count").textContent = read === cards.length ? posters : `${read} of ${posters} read`;
  byId("csv").disabled = byId("json").disabled = !read;
  document.body.classList.toggle("playing", cards.length > 0);
}

const answers = () => cards.filter((card) => card.answer).map(({ name, answer }) => ({
  poster: name,
  genres: answer.genres,
  scores: answer.scores,
  ...(answer.corrected && { corrected: answer.corrected }),
}));

byId("file").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = ""; // the same file may be chosen again
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
