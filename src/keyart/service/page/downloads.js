// All predictions as a file, with the columns and keys of `keyart predict`.

function cell(value) {
  let text = String(value);
  // A spreadsheet would run these as formulas.
  if (/^[=+\-@\t\r]/.test(text) && isNaN(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function asCsv(answers, genres) {
  const corrected = answers.some((answer) => answer.corrected);
  const rows = [["poster", "genres", ...genres, ...(corrected ? ["corrected"] : [])]];
  for (const { poster, genres: chosen, scores, corrected: better } of answers) {
    const row = [poster, chosen.join("|"), ...genres.map((genre) => scores[genre].toFixed(6))];
    if (corrected) row.push((better ?? []).join("|"));
    rows.push(row);
  }
  return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

export const asJson = (answers) => JSON.stringify(answers, null, 1) + "\n";

export function save(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
