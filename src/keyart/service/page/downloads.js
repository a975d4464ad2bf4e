// All predictions as a file, with the columns and keys of `keyart predict`.

function cell(value) {
  let text = String(value);
  // A spreadsheet would run these as formulas.
  if (/^[=+\-@\t\r]/.test(text) && isNaN(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const HEAD = ["title", "poster", "genres", "maybe", "unsure", "evidence", "reason"];

export function asCsv(answers, genres) {
  const corrected = answers.some((answer) => answer.corrected);
  const rows = [[...HEAD, ...genres, ...(corrected ? ["corrected"] : [])]];
  for (const one of answers) {
    const scores = genres.map((genre) => one.scores?.[genre].toFixed(6));
    const joined = [one.genres, one.maybe].map((names) => names?.join("|"));
    const row = [one.title, one.poster, ...joined, one.unsure, one.evidence?.join("|"), one.reason ?? one.warning];
    rows.push([...row, ...scores, ...(corrected ? [one.corrected?.join("|")] : [])]);
  }
  return rows.map((row) => row.map((value) => cell(value ?? "")).join(",")).join("\n") + "\n";
}

export const asJson = (answers) => JSON.stringify(answers, null, 1) + "\n";

export function save(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
