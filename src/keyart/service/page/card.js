// One poster on the page: genres, explanations, similar posters, corrections.

import * as api from "/page/api.js";
import { drawHeat } from "/page/heat.js";

const SHOWN = 6;
const percent = (score) => `${Math.round(score * 100)}%`;
const list = new Intl.ListFormat("en");

function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

export class Card {
  constructor(file, model, announce) {
    this.file = file;
    this.model = model;
    this.announce = announce;
    this.answer = null;
    const template = document.getElementById("card-template");
    this.element = template.content.firstElementChild.cloneNode(true);
    this.find = (selector) => this.element.querySelector(selector);
    this.url = URL.createObjectURL(file);
    this.name = file.name || "pasted picture";
    this.find(".name").textContent = this.name;
    this.find(".poster").src = this.url;
    this.find(".poster").alt = `The poster ${this.name}`;
    this.find(".remove").setAttribute("aria-label", `Remove ${this.name}`);
  }

  forget() {
    URL.revokeObjectURL(this.url);
    this.element.remove();
  }

  async read() {
    try {
      if (this.file.size > this.model.limits.body_bytes) {
        throw new api.Problem({ detail: "this file is larger than the service accepts" });
      }
      const answer = await api.post("/v1/predictions", this.file);
      this.answer = answer.predictions[0];
    } catch (problem) {
      this.refuse(problem);
      return;
    }
    this.showGenres();
    await Promise.all([this.showNeighbours(), this.showCorrection()]);
  }

  refuse(problem) {
    this.element.classList.add("refused");
    this.find(".verdict").textContent = "Could not be read";
    this.find(".hint").textContent = problem.message;
    this.announce(`${this.name} could not be read: ${problem.message}`);
  }

  showGenres() {
    const { genres, scores, unsure } = this.answer;
    const answered = (genre) => genres.includes(genre.name);
    const ordered = [...this.model.genres].sort(
      (a, b) => answered(b) - answered(a) || scores[b.name] - scores[a.name]);
    const verdict = this.find(".verdict");
    if (unsure) {
      const near = [...ordered].sort(
        (a, b) => scores[b.name] / b.threshold - scores[a.name] / a.threshold)[0];
      verdict.replaceChildren(element("span", { className: "unsure", text: "Unsure" }));
      this.find(".hint").textContent = `No genre reaches its threshold. ${near.name} is closest: `
        + `${percent(scores[near.name])}, threshold ${percent(near.threshold)}.`;
    } else {
      verdict.replaceChildren(
        ...ordered.filter(answered).map((genre) => element("span", { className: "genre", text: genre.name })));
      this.find(".hint").textContent = this.model.offers.explanations
        ? "Select a genre to see which part of the poster it comes from." : "";
    }
    this.find(".bars").replaceChildren(...ordered.map((genre, place) => this.bar(genre, place)));
    this.expand(false);
    const more = this.find(".more");
    more.hidden = ordered.length <= SHOWN;
    more.onclick = () => this.expand(more.getAttribute("aria-expanded") !== "true");
    this.announce(`${this.name}: ${unsure ? "unsure" : list.format(genres)}`);
  }

  bar(genre, place) {
    const score = this.answer.scores[genre.name];
    const chosen = score >= genre.threshold;
    const meter = element("span", { className: "meter", ariaHidden: "true" });
    meter.style.setProperty("--score", score);
    meter.style.setProperty("--threshold", Math.min(1, genre.threshold));
    const button = element("button", { type: "button", className: chosen ? "bar chosen" : "bar" },
      element("span", { className: "label", text: genre.name }),
      meter,
      element("span", { className: "score", text: percent(score) }),
      element("span", {
        className: "unseen",
        text: `, threshold ${percent(genre.threshold)}${chosen ? ", predicted" : ""}`,
      }));
    button.setAttribute("aria-pressed", "false");
    button.disabled = !this.model.offers.explanations;
    button.onclick = () => this.explain(genre.name, button);
    const row = element("li", {}, button);
    row.dataset.place = place;
    return row;
  }

  expand(all) {
    for (const row of this.find(".bars").children) row.hidden = !all && row.dataset.place >= SHOWN;
    const more = this.find(".more");
    more.setAttribute("aria-expanded", String(all));
    more.textContent = all ? "Fewer genres" : `All ${this.model.genres.length} genres`;
  }

  async explain(genre, button) {
    const on = button.getAttribute("aria-pressed") === "true";
    for (const other of this.find(".bars").querySelectorAll("button")) {
      other.setAttribute("aria-pressed", "false");
    }
    const canvas = this.find(".heat"), caption = this.find(".caption");
    canvas.hidden = true;
    caption.textContent = "";
    this.asked = on ? null : genre;
    if (on) return;
    button.setAttribute("aria-pressed", "true");
    try {
      this.places ??= await api.post("/v1/explanations", this.file);
    } catch (problem) {
      caption.textContent = problem.message;
      return;
    }
    if (this.asked !== genre) return; // another genre was selected in the meantime
    const place = this.places.explanations.find((one) => one.genre === genre);
    caption.textContent = `${genre}: ${words(place.where)}.`;
    canvas.setAttribute("aria-label", caption.textContent);
    const poster = this.find(".poster");
    drawHeat(canvas, place.heat, poster.naturalHeight / poster.naturalWidth || 1.5);
    canvas.hidden = false;
    this.find(".case").scrollIntoView({ block: "nearest" }); // on a phone it may be off screen
  }

  async showNeighbours() {
    if (!this.model.offers.similar) return;
    let found;
    try {
      found = (await api.post("/v1/similar?count=6", this.file)).similar;
    } catch {
      return; // the genres are shown already; this is an extra
    }
    const items = await Promise.all(found.map(async (film) => {
      const image = element("img", { alt: "", loading: "lazy" });
      api.picture(film.thumbnail).then((url) => { image.src = url; }, () => {});
      const year = film.year ? ` (${film.year})` : "";
      return element("li", {}, image,
        element("span", { className: "film", text: `${film.title || film.film_id}${year}` }),
        element("span", { className: "film-genres", text: film.genres.join(" · ") }),
        element("span", {
          className: "likeness",
          text: film.same ? "the same file" : `${percent(Math.max(0, film.similarity))} similar`,
        }));
    }));
    this.find(".neighbours ol").replaceChildren(...items);
    this.find(".neighbours").hidden = items.length === 0;
  }

  async showCorrection() {
    if (!this.model.offers.corrections) return;
    const form = this.find(".correct form");
    this.find(".choices").replaceChildren(...this.model.genres.map((genre) => {
      const box = element("input", { type: "checkbox", name: "genre", value: genre.name });
      box.checked = this.answer.genres.includes(genre.name);
      return element("label", {}, box, element("span", { text: genre.name }));
    }));
    form.author.value = localStorage.getItem("author") ?? "";
    this.find(".who").hidden = this.model.offers.token; // the token says who it is
    form.onsubmit = (event) => {
      event.preventDefault();
      this.correct(form, false);
    };
    this.find(".replace").onclick = () => this.correct(form, true);
    this.find(".correct").hidden = false;
    const known = await api.get(`/v1/corrections/${this.answer.sha256}`).catch(() => ({}));
    if (known.correction) this.showCorrected(known.correction);
  }

  async correct(form, replace) {
    const genre = [...form.querySelectorAll("[name=genre]:checked")].map((box) => box.value);
    const outcome = this.find(".outcome");
    this.find(".replace").hidden = true;
    if (!genre.length) {
      outcome.textContent = "Select at least one genre.";
      return;
    }
    localStorage.setItem("author", form.author.value);
    const fields = {
      genre, replace, title: form.title.value, author: form.author.value, model: this.model.model,
    };
    try {
      this.showCorrected(await api.post("/v1/corrections", this.file, fields));
      outcome.textContent = "Saved. The next model can learn from it.";
    } catch (problem) {
      outcome.textContent = problem.message;
      this.find(".replace").hidden = problem.kind !== "already-corrected";
    }
  }

  showCorrected(correction) {
    this.answer.corrected = correction.new_genres;
    const by = correction.author === "anonymous" ? "" : ` by ${correction.author}`;
    this.find(".corrected").textContent = `Corrected to ${list.format(correction.new_genres)}${by}`;
    this.find(".corrected").hidden = false;
  }
}

function words(where) {
  if (where.startsWith("nowhere")) return where;
  if (where === "middle") return "mostly in the middle";
  const middle = where.startsWith("middle ");
  return middle ? `mostly in the middle, ${where.slice(7)}` : `mostly at the ${where}`;
}
