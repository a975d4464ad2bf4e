// What cards are made of.

export const percent = (score) => `${Math.round(score * 100)}%`;
export const list = new Intl.ListFormat("en");

export function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}
