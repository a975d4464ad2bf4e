// One film on the page: its poster and title, genres, explanations, similar posters, corrections.

import * as api from "/page/api.js";
import { element, list, percent } from "/page/elements.js";
import { Why } from "/page/why.js";

const SHOWN = 6;
// A genre that cannot keep the wanted precision has a threshold of 1.
const limit = (threshold) => threshold < 1 ? `threshold ${percent(threshold)}` : "never predicted at this precision";

export class Card {
  // file: null for a film without a poster. film: its title and year, "" if unknown.
  constructor(file, film, model, announce) {
    this.file = file;
    this.film = film;
    this.model = model;
    this.announce = announce;
    this.answer = this.problem = null;
    const template = document.getElementById("card-template");
    this.element = template.content.firstElementChild.cloneNode(true);
    this.find = (selector) => this.element.querySelector(selector);
    this.why = new Why(this.find);
    this.name = file ? file.name || "pasted picture" : film.title;
    this.find(".name").textContent = file ? this.name : "No poster";
    this.find(".remove").setAttribute("aria-label", `Remove ${this.name}`);
    if (file) this.showPoster();
    this.showFilm();
  }

  showPoster() {
    this.url = URL.createObjectURL(this.file);
    const poster = this.find(".poster");
    poster.src = this.url;
    poster.alt = `The poster ${this.name}`;
    poster.onerror = () => this.showTitle();
    poster.hidden = false;
    this.find(".title-card").hidden = true;
  }

  // In place of a poster that is absent or broken.
  showTitle() {
    this.find(".poster").hidden = true;
    this.find(".title-card").hidden = false;
    this.find(".title-card .title").textContent = this.film.title || "No picture";
    this.find(".title-card .year").textContent = this.film.year;
  }

  showFilm() {
    const form = this.find(".about");
    form.hidden = !this.model.offers.evidence.some((kinds) => kinds.includes("title"));
    form.title.value = this.film.title;
    form.year.value = this.film.year;
    if (!this.file) this.showTitle();
    const changed = () => form.title.value.trim() !== this.film.title || form.year.value !== this.film.year;
    form.oninput = () => { form.querySelector("button").hidden = !changed(); };
    form.onsubmit = (event) => {
      event.preventDefault();
      if (!changed()) return;
      this.film = { title: form.title.value.trim(), year: form.year.value };
      form.querySelector("button").hidden = true;
      if (!this.file) this.showTitle();
      this.element.dispatchEvent(new Event("changed"));
    };
  }

  forget() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.element.remove();
  }

  // The fields of a request about this film.
  get fields() {
    return { title: this.film.title, year: this.film.year };
  }

  async read() {
    const film = this.film;
    this.answer = this.problem = this.places = null;
    this.why.clear();
    this.element.classList.remove("refused");
    this.find(".verdict").replaceChildren(element("span", { className: "waiting", text: "Reading…" }));
    try {
      if (this.file && this.file.size > this.model.limits.body_bytes) {
        throw new api.Problem({ detail: "this file is larger than the service accepts" });
      }
      const answer = await api.post("/v1/predictions", this.file, this.fields);
      if (film !== this.film) return; // another title was entered in the meantime
      this.answer = answer.predictions[0];
    } catch (problem) {
      if (film === this.film) this.refuse(problem);
      return;
    }
    this.showGenres();
    this.element.dispatchEvent(new Event("answered"));
    await Promise.all([this.showNeighbours(), this.showCorrection()]);
  }

  refuse(problem) {
    this.problem = problem.message;
    this.element.classList.add("refused");
    const unread = ["unsupported", "unreadable"].includes(problem.kind);
    const failed = unread ? "could not be read" : "could not be predicted";
    this.find(".verdict").textContent = failed.replace("could", "Could");
    this.find(".hint").textContent = problem.message;
    this.find(".evidence").textContent = "";
    this.find(".bars").replaceChildren();
    this.find(".more").hidden = this.find(".correct").hidden = true;
    this.announce(`${this.name} ${failed}: ${problem.message}`);
  }

  showGenres() {
    const { genres, maybe, scores, thresholds, unsure, evidence, reason, warning } = this.answer;
    const answered = (name) => genres.includes(name);
    const rank = (name) => answered(name) ? 2 : maybe.includes(name) ? 1 : 0;
    const ordered = this.model.genres.map((genre) => genre.name).sort(
      (a, b) => rank(b) - rank(a) || scores[b] - scores[a]);
    const verdict = this.find(".verdict");
    this.explained = this.model.offers.explanations || !evidence.includes("poster");
    if (unsure) {
      verdict.replaceChildren(element("span", { className: "unsure", text: "Unsure" }));
      const [near] = [...ordered].sort((a, b) => scores[b] / thresholds[b] - scores[a] / thresholds[a]);
      this.find(".hint").textContent = warning ? "" : "No genre reaches its threshold. "
        + `${near} is closest: ${percent(scores[near])}, ${limit(thresholds[near])}.`;
    } else {
      verdict.replaceChildren(
        ...ordered.filter(answered).map((text) => element("span", { className: "genre", text })));
      this.find(".hint").textContent = !this.explained ? "" : evidence.length > 1 || !evidence.includes("poster")
        ? "Select a genre to see where it comes from."
        : "Select a genre to see which part of the poster it comes from.";
    }
    verdict.append(...maybe.map((name) =>
      element("span", { className: "genre maybe", text: `maybe ${name}` })));
    const doubt = warning ? ` The picture ${warning}.` : "";
    const by = `By ${list.format(evidence.map((kind) => `the ${kind}`))}.`;
    const unread = reason ? ` The poster could not be read: ${reason}.` : "";
    const unknown = this.film.title && !evidence.includes("title") && !this.find(".about").hidden
      ? " The model knows nothing of this title." : "";
    this.find(".evidence").textContent = by + doubt + unread + unknown;
    this.find(".bars").replaceChildren(...ordered.map((genre, place) => this.bar(genre, place)));
    this.expand(false);
    const more = this.find(".more");
    more.hidden = ordered.length <= SHOWN;
    more.onclick = () => this.expand(more.getAttribute("aria-expanded") !== "true");
    const said = unsure ? ["unsure"] : [list.format(genres)];
    if (maybe.length) said.push(`maybe ${list.format(maybe)}`);
    if (warning) said.push(warning);
    this.announce(`${this.name}: ${said.join(", ")}`);
  }

  bar(genre, place) {
    const score = this.answer.scores[genre], threshold = this.answer.thresholds[genre];
    const chosen = this.answer.genres.includes(genre);
    const meter = element("span", { className: "meter", ariaHidden: "true" });
    meter.style.setProperty("--score", score);
    meter.style.setProperty("--threshold", Math.min(1, threshold));
    const button = element("button", { type: "button", className: chosen ? "bar chosen" : "bar" },
      element("span", { className: "label", text: genre }),
      meter,
      element("span", { className: "score", text: percent(score) }),
      element("span", {
        className: "unseen",
        text: `, ${limit(threshold)}${chosen ? ", predicted" : this.answer.maybe.includes(genre) ? ", maybe" : ""}`,
      }));
    button.dataset.genre = genre;
    button.setAttribute("aria-pressed", "false");
    button.disabled = !this.explained;
    button.onclick = () => this.explain(genre, button);
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
    this.why.clear();
    this.asked = on ? null : genre;
    if (on) return;
    button.setAttribute("aria-pressed", "true");
    const film = this.film;
    try {
      const file = this.answer.evidence.includes("poster") ? this.file : null;
      this.places ??= await api.post("/v1/explanations", file, this.fields);
    } catch (problem) {
      this.find(".caption").textContent = problem.message;
      return;
    }
    if (this.asked !== genre || film !== this.film) return; // something else was asked in the meantime
    const all = this.places.explanations;
    this.why.show(all.find((one) => one.genre === genre), all, (other) => {
      const buttons = [...this.find(".bars").querySelectorAll("button")];
      if (other !== genre) this.explain(other, buttons.find((one) => one.dataset.genre === other));
    });
  }

  async showNeighbours() {
    if (!this.model.offers.similar || !this.answer.evidence.includes("poster") || this.similar) return;
    let found;
    try {
      found = (await api.post("/v1/similar?count=6", this.file)).similar;
    } catch {
      return; // the genres are shown already; this is an extra
    }
    this.similar = true;
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
    const kept = this.model.offers.corrections && this.answer.evidence.includes("poster");
    this.find(".correct").hidden = !kept;
    if (!kept) return; // a correction is of a poster
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
    this.find(".named").hidden = !this.find(".about").hidden; // the title is above already
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
    const fields = { ...this.fields, genre, replace, author: form.author.value, model: this.model.model };
    if (this.find(".about").hidden) fields.title = form.title.value;
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
