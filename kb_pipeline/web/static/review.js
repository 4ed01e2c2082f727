// The review queue: questions that found nothing or did not help, and what a person makes of them. A decision is stored at
// once and can be changed as long as the case is on the page.
import { request } from "./api.js";
import { fill, h, message, unfolding } from "./dom.js";
import { address, go } from "./route.js";
import { may } from "./session.js";
import { moment, placeOf, t, whole } from "./texts.js";

const EXCERPT = 320; // characters
const SEARCHED = 5; // passages that a search within a case shows
const KEYS = { r: "relevant", n: "irrelevant", t: "right", d: "dismiss" };

export async function showReview(main, signal) {
  const heading = h("h1", null, t("review").title);
  fill(main, heading, h("p", { class: "soft", role: "status" }, t("loading")));
  try {
    const { cases } = await request("v1/review/cases", { signal });
    fill(main, heading,
      h("p", { class: "soft" }, t("review").about),
      h("p", { class: "keys soft" }, t("review").keys.map(([key, what]) => h("span", null, h("kbd", null, key), what))),
      cases.length === 0 ? h("p", null, t("review").none) : h("ul", { class: "cases" }, cases.map(showCase)));
  } catch (problem) {
    if (problem.name !== "AbortError") fill(main, heading, message(problem.message, true));
  }
}

// A case draws itself anew after each decision.
function showCase(found, number) {
  const id = `case-${number}`;
  const box = h("li", { class: "case stop", tabindex: -1, "aria-labelledby": id });
  const state = { passages: found.passages.map((passage) => ({ ...passage })), closed: false, said: "" };

  const decide = async (said, decision) => {
    try {
      await request("v1/review/decisions", { method: "POST", body: { query: found.query, ...decision } });
      for (const [list, verdict] of [["right", "right"], ["wrong", "wrong"], ["undecided", null]]) {
        for (const passage of decision[list] || []) note(passage, verdict);
      }
      if (decision.closed !== undefined) state.closed = decision.closed;
      state.said = said;
    } catch (problem) {
      state.said = problem.message;
    }
    draw();
  };
  const note = (key, verdict) => {
    const passage = state.passages.find((one) => isSame(one, key));
    if (passage) Object.assign(passage, { decided: verdict, reviewed: verdict !== null, state: verdict });
  };
  const close = () => decide(t("review").closed, { closed: true });
  const reopen = () => decide(t("review").open, { closed: false });
  const relevant = (passage) => decide(t("noted"), { [passage.decided === "right" ? "undecided" : "right"]: [keyOf(passage)] });
  const irrelevant = (passage) => decide(t("noted"), { [passage.decided === "wrong" ? "undecided" : "wrong"]: [keyOf(passage)] });
  // This one is it: what was shown and is not decided yet is not, and the case is done.
  const right = (passage) => decide(t("review").closed, {
    right: [keyOf(passage)],
    wrong: state.passages.filter((one) => !isSame(one, passage) && !one.reviewed && one.rank !== null).map(keyOf),
    closed: true,
  });
  const actions = { relevant, irrelevant, right };
  const add = (passage) => {
    if (!state.passages.some((one) => isSame(one, passage))) state.passages.push(passage);
  };
  const finder = search(found.query, (hits) => { hits.forEach(add); draw(); });

  const draw = () => {
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.name : undefined;
    const kept = focused === undefined && box !== document.activeElement ? null : focused || "";
    fill(box,
      h("div", { class: "where" },
        h("h2", { id }, found.query),
        found.found_nothing && h("span", { class: "tag chip" }, t("review").foundNothing),
        state.passages.some((one) => one.state === "contradictory") && h("span", { class: "tag chip warn" }, t("review").quarantined),
        h("span", { class: "score" }, t("review").met(whole(found.people), moment(found.last_at)))),
      found.reasons.length > 0 && h("p", { class: "section" }, found.reasons.map((reason) => t("reasons")[reason]).join(t("comma"))),
      !state.closed && (state.passages.length > 0
        ? h("ul", { class: "passages" }, state.passages.map((passage, place) => showPassage(passage, `${id}-${place}`, actions)))
        : h("p", { class: "soft" }, t("review").nothingShown)),
      !state.closed && finder,
      h("div", { class: "below" },
        state.closed
          ? button("reopen", t("undo"), reopen)
          : button("dismiss", t("review").dismiss, close),
        h("span", { class: "soft said", role: "status" }, state.said)));
    if (kept !== null) (box.querySelector(`[data-name="${kept || "none"}"]`) || box).focus({ preventScroll: true });
  };
  box.addEventListener("keydown", (event) => {
    const name = KEYS[event.key];
    if (!name || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const within = name === "dismiss" ? box : event.target.closest(".candidate");
    within?.querySelector(`[data-action="${name}"]`)?.click();
  });
  draw();
  return box;
}

function button(name, label, onclick, attributes = {}) {
  return h("button", { type: "button", class: "choice", "data-action": name.split(" ")[0], "data-name": name, onclick, ...attributes }, label);
}

function showPassage(passage, id, actions) {
  const { content } = passage;
  const long = content.length > EXCERPT * 1.3;
  const shown = (open) => (open || !long ? content : `${content.slice(0, EXCERPT)} …`);
  const text = h("p", { class: "text" }, shown(false));
  const more = long && unfolding(t("more"), t("less"), (open) => { text.textContent = shown(open); });
  more?.classList?.add("whole");
  const pressed = (verdict) => ({ "aria-pressed": String(passage.decided === verdict || (passage.reviewed && passage.state === verdict)) });
  return h("li", { class: "passage candidate stop", tabindex: -1, "aria-labelledby": id, "data-name": id },
    h("div", { class: "where" }, title(passage, id),
      h("span", { class: "tag chip" }, passage.collection),
      passage.rank && h("span", { class: "tag" }, t("review").shownAs(passage.rank)),
      passage.named && h("span", { class: "tag chip" }, t("review").named),
      standing(passage)),
    passage.section_path.length > 0 && h("p", { class: "section" }, passage.section_path.join(" › ")),
    text,
    h("div", { class: "below" }, more,
      button(`relevant ${id}`, t("review").relevant, () => actions.relevant(passage), pressed("right")),
      button(`irrelevant ${id}`, t("review").irrelevant, () => actions.irrelevant(passage), pressed("wrong")),
      button(`right ${id}`, t("review").right, () => actions.right(passage))));
}

// What votes and decisions come to.
function standing(passage) {
  if (passage.reviewed) return h("span", { class: "tag" }, t("review").decided[passage.state]);
  if (passage.people === 0) return null;
  const votes = t("review").votes(passage.for_it.toFixed(1), passage.against_it.toFixed(1), whole(passage.people));
  return h("span", { class: passage.state === "contradictory" ? "tag chip warn" : "tag" },
    passage.state === "contradictory" ? `${t("review").contradictory}: ${votes}` : votes);
}

function title(passage, id) {
  const place = placeOf(passage);
  if (!may("read")) return h("span", { class: "file", id }, place);
  const where = address(`/documents/${passage.document_id}`, [["passage", passage.chunk_key]]);
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // into another tab
    event.preventDefault();
    go(where);
  };
  return h("a", { class: "file", id, href: where, title: t("read"), onclick: open }, place);
}

// Looking for the right passage where none was shown, in the reviewer's own words.
function search(query, done) {
  if (!may("search")) return null;
  const words = h("input", { type: "search", value: query, maxlength: 1000, "aria-label": t("review").find, "data-name": "find" });
  const status = h("span", { class: "soft", role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    if (!words.value.trim()) return;
    status.textContent = t("searching");
    try {
      const { hits } = await request("v1/search", { method: "POST", body: { query: words.value, k: SEARCHED } });
      status.textContent = hits.length ? "" : t("nothing");
      done(hits.map((hit) => ({ ...hit, rank: null, named: false, state: null, for_it: 0, against_it: 0, people: 0, reviewed: false })));
    } catch (problem) {
      status.textContent = problem.message;
    }
  };
  return h("form", { class: "bar find", onsubmit: submit }, words, h("button", { class: "choice" }, t("review").find), status);
}

function keyOf(passage) {
  return { document_id: passage.document_id, chunk_key: passage.chunk_key };
}

function isSame(one, other) {
  return one.document_id === other.document_id && one.chunk_key === other.chunk_key;
}
