// Who one is, and signing in with a key.
import { request } from "./api.js";
import { fill, h, message } from "./dom.js";
import { t } from "./texts.js";

let session = null;

// Whose requests these are; null while the server asks for a key. Throws Problem.
export async function load() {
  session = null;
  try {
    session = await request("v1/session");
  } catch (problem) {
    if (problem.status !== 401) throw problem;
  }
  return session;
}

export function may(right) {
  return session !== null && session.rights.includes(right);
}

// Whether the server writes answers.
export function hasAnswers() {
  return session !== null && session.answers;
}

// Signing out makes a difference only for those who came with a key.
export function signedInByKey() {
  return session !== null && session.principal.startsWith("key:");
}

export async function signOut() {
  await request("v1/session", { method: "DELETE" });
  session = null;
}

// A form for the key; `done` is called once one is in.
export function signInForm(done) {
  const wrong = h("div");
  const key = h("input", {
    id: "key", type: "password", maxlength: 200, autocomplete: "current-password", placeholder: "kb_…", "aria-label": t("key"),
  });
  const submit = async (event) => {
    event.preventDefault();
    try {
      session = await request("v1/session", { method: "POST", body: { key: key.value } });
    } catch (problem) {
      fill(wrong, message(problem.message, true));
      key.select();
      return;
    }
    done();
  };
  const form = h("form", { id: "sign-in", onsubmit: submit },
    h("h1", null, t("signIn")),
    h("p", { class: "soft" }, t("askKey")),
    h("div", { class: "bar" },
      h("input", { type: "text", autocomplete: "username", value: "key", hidden: true }), // for password managers
      key, h("button", { class: "go" }, t("signIn"))),
    wrong);
  return { form, focus: () => key.focus() };
}
