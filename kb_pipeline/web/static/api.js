// Asking the server. Paths are relative, so that the page also works below a path of a reverse proxy.
import { t } from "./texts.js";

// What went wrong, in one sentence. `status`: 0 where the server could not be reached.
export class Problem extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

let signedOut = () => {};

// `callback` is called whenever the server asks for a key.
export function whenSignedOut(callback) {
  signedOut = callback;
}

// The answer as data, null where there is none. Throws Problem, or AbortError where `signal` was given up.
export async function request(path, { method = "GET", body, signal } = {}) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  let answer;
  let data;
  try {
    answer = await fetch(path, { method, signal, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    data = answer.status === 204 ? null : await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(answer ? answer.status : 0, t("offline")); // a proxy may answer something that is no JSON
  }
  if (answer.ok) return data;
  if (answer.status === 401 && path !== "v1/session") signedOut();
  throw new Problem(answer.status, data.detail || t("offline"));
}
