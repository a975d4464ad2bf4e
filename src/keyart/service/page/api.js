// Requests to the service: with a token if it needs one, and again if it is busy.

let token = sessionStorage.getItem("token") ?? "";
let asking = null;

export class Problem extends Error {
  constructor(document) {
    super(document.detail || document.title || "the service cannot be reached");
    this.kind = (document.type ?? "").split(":").pop();
    this.status = document.status ?? 0;
  }
}

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

function askForToken(why) {
  // Several requests may be refused at once: they all wait for one token.
  asking ??= new Promise((done) => {
    const dialog = document.getElementById("sign-in");
    document.getElementById("sign-in-reason").textContent = why;
    const field = document.getElementById("token");
    field.value = "";
    dialog.addEventListener("close", () => {
      token = field.value.trim();
      sessionStorage.setItem("token", token);
      asking = null;
      done();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

async function request(path, options = {}) {
  for (let attempt = 0; ; attempt++) {
    const used = token;
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch {
      throw new Problem({ detail: "The service cannot be reached. Is it still running?" });
    }
    if (response.ok) return response;
    if (response.status === 401) {
      if (used === token) {
        await askForToken(used ? "This token is not valid." : "This service needs a token.");
      }
      continue;
    }
    if (response.status === 503 && attempt < 60) {
      // A random delay, so that refused pages do not all come back at the same moment.
      await pause((Number(response.headers.get("Retry-After")) || 1) * (0.5 + Math.random()));
      continue;
    }
    throw new Problem(await response.json().catch(() => ({ status: response.status })));
  }
}

export const get = async (path) => (await request(path)).json();

export const picture = async (path) => URL.createObjectURL(await (await request(path)).blob());

// file: null to ask about a film without a poster.
export async function post(path, file, fields = {}) {
  const form = new FormData();
  if (file) form.append("poster", file, file.name || "poster");
  for (const [name, values] of Object.entries(fields)) {
    for (const value of [values].flat()) form.append(name, value);
  }
  return (await request(path, { method: "POST", body: form })).json();
}

export const send = async (path) => (await request(path, { method: "POST" })).json();
