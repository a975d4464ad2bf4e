// What moved the score of a genre: a heat map on the poster, steps by evidence, words of the title.

import { drawHeat, scale } from "/page/heat.js";
import { element, percent } from "/page/elements.js";

const SHOWN = 5; // words
const EVEN = 0.05; // log-odds; the least that the brightest colour stands for
const CLEAR = 0.1; // log-odds; a word that adds less is not shown

export class Why {
  constructor(find) {
    this.find = find;
  }

  clear() {
    this.find(".heat").hidden = this.find(".moved").hidden = this.find(".compared").hidden = true;
    this.find(".caption").textContent = "";
  }

  // one: the explanation of a genre. all: those of every genre. choose: called with another genre.
  show(one, all, choose) {
    const { genre, where, rate, steps, words, threshold } = one;
    const caption = this.find(".caption"), canvas = this.find(".heat"), poster = this.find(".poster");
    caption.textContent = where ? `${genre}: ${inWords(where)}.` : `${genre}: what changed its score.`;
    if (where) {
      // The three with the highest scores, and the chosen one if it is none of them, on one scale.
      const top = [...all].sort((a, b) => b.score - a.score).slice(0, 3);
      const most = Math.max(EVEN, ...[one, ...top].map(({ peak }) => peak));
      canvas.setAttribute("aria-label", inFull(one));
      drawHeat(canvas, one, most, poster);
      canvas.hidden = false;
      this.compare(top, genre, most, poster, choose);
    }
    this.showSteps(rate, Object.entries(steps), threshold);
    this.showWords(Object.entries(words));
    this.find(".case").scrollIntoView({ block: "nearest" }); // on a phone it may be off screen
  }

  compare(top, chosen, most, poster, choose) {
    this.find(".compared ol").replaceChildren(...top.map((one) => {
      const canvas = element("canvas", { ariaHidden: "true" });
      drawHeat(canvas, one, most, poster);
      const button = element("button", { type: "button", title: inFull(one) },
        canvas,
        element("span", { text: `${one.genre} ${percent(one.score)}` }),
        element("span", { className: "unseen", text: `, ${inWords(one.where)}` }));
      button.setAttribute("aria-pressed", String(one.genre === chosen));
      button.onclick = () => choose(one.genre);
      return element("li", {}, button);
    }));
    this.find(".scale").style.background = scale;
    this.find(".scale-end").textContent = `+${most.toFixed(1)}`;
    this.find(".compared").hidden = false;
  }

  showSteps(rate, steps, threshold) {
    const rows = steps.map(([kind, score], place) => {
      const last = place === steps.length - 1;
      return row(place ? `with the ${kind}` : `the ${kind}`, score, last ? threshold : null);
    });
    if (rate !== null) rows.unshift(row("any film", rate, null));
    this.find(".steps").replaceChildren(...rows);
    this.find(".moved").hidden = rows.length < 2;
  }

  showWords(words) {
    const telling = words.filter(([, part]) => Math.abs(part) >= CLEAR).slice(0, SHOWN);
    const most = Math.max(1, ...telling.map(([, part]) => Math.abs(part)));
    this.find(".words").replaceChildren(...telling.map(([word, part]) => {
      const sign = part > 0 ? "for" : "against";
      const text = `${part > 0 ? "+" : "\u2212"}${Math.abs(part).toFixed(1)}`;
      const item = element("li", { className: sign },
        element("span", { className: "word", text: word }),
        element("span", { className: "part", text }));
      item.style.setProperty("--part", Math.abs(part) / most);
      return item;
    }));
    this.find(".words-of").hidden = !telling.length;
    if (telling.length) this.find(".moved").hidden = false;
  }
}

function row(label, score, threshold) {
  const meter = element("span", { className: "meter", ariaHidden: "true" });
  meter.style.setProperty("--score", score);
  if (threshold !== null) meter.style.setProperty("--threshold", Math.min(1, threshold));
  return element("li", { className: threshold === null ? "step" : "step last" },
    element("span", { className: "label", text: label }),
    meter,
    element("span", { className: "score", text: percent(score) }));
}

function inFull({ genre, score, where, peak }) {
  const rise = where.startsWith("nowhere") ? "" : `, where the log-odds would rise by ${peak.toFixed(1)}`;
  return `${genre} ${percent(score)}, ${inWords(where)}${rise}`;
}

function inWords(where) {
  if (where.startsWith("nowhere")) return where;
  if (where === "middle") return "mostly in the middle";
  const middle = where.startsWith("middle ");
  return middle ? `mostly in the middle, ${where.slice(7)}` : `mostly at the ${where}`;
}
