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
export async function request(path, options) {
  const answer = await send(path, options);
  return answer.status === 204 ? null : orOffline(() => answer.json(), answer.status);
}

// The answer as it comes in. Throws as `request` does.
export async function send(path, { method = "GET", body, signal } = {}) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const answer = await orOffline(() => fetch(path, { method, signal, headers, body: sent }), 0);
  if (answer.ok) return answer;
  const data = await orOffline(() => answer.json(), answer.status);
  if (answer.status === 401 && path !== "v1/session") signedOut();
  throw new Problem(answer.status, data.detail || t("offline"));
}

// A proxy may answer something that is no JSON, and a connection may end in the middle.
export async function orOffline(receive, status) {
  try {
    return await receive();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(status, t("offline"));
  }
}
