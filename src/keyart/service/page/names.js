// The title and the year that a file's name gives, by the rule of `keyart predict` (queries.py).

const NAMED = /^(.*\S)\s+\((18[89][0-9]|19[0-9]{2}|20[0-9]{2})\)$/;
const SUFFIX = /(?<=.)\.(jpe?g|jpe|jfif|jif|jfi|mpo|a?png|webp|gif|bmp|dib|tiff?|avifs?|hei[cf]|hif)$/i;
const NO_TITLES = new Set([
  "poster", "folder", "cover", "posters", "front", "image", "img", "picture", "pic", "photo", "scan",
  "file", "download", "screenshot", "thumb", "thumbnail", "untitled", "unnamed",
]);

// names: of all files that came together. A number that counts pictures is no year.
export function filmOf(name, names) {
  const [, title, year] = NAMED.exec(name.replace(SUFFIX, "")) ?? [];
  const suffix = name.match(SUFFIX)?.[0] ?? "";
  const numbered = [1, 2].some((count) => names.includes(`${title} (${count})${suffix}`));
  if (!title || NO_TITLES.has(title.trim().toLowerCase()) || numbered) return { title: "", year: "" };
  return { title: title.trim(), year };
}
