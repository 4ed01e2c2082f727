// What this person says of searches and passages. A judgment belongs to a search (`event`) and the rank of a hit, 0 for
// the answer as a whole; the last one counts, and it can be taken back.
import { request } from "./api.js";
import { fill, h } from "./dom.js";
import { voter } from "./preferences.js";
import { may } from "./session.js";
import { t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const THUMB = "M2 10h4v10H2zM8 20V10l4.5-8c1.6 0 2.5 1 2.5 2.5L14.2 9H20c1.3 0 2.2 1.1 1.9 2.4l-1.6 7A2 2 0 0 1 18.4 20z";
const REASONS = ["wrong_document", "outdated", "wrong_place", "not_found", "wrong_language"];
const given = new Map();
const listeners = new Map();

function keyOf(event, rank) {
  return `${event}/${rank}`;
}

export function judgmentOn(event, rank) {
  return given.get(keyOf(event, rank)) || null;
}

export function isRight(event, rank, passage) {
  const right = judgmentOn(event, rank)?.right_passage;
  return Boolean(right) && right.document_id === passage.document_id && right.chunk_key === passage.chunk_key;
}

function thumb(down) {
  const drawing = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", THUMB);
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  if (down) drawing.setAttribute("class", "down");
  drawing.append(path);
  return drawing;
}

// Say it; null takes it back. Throws Problem, and then what was said before holds.
export async function judge(event, rank, judgment) {
  if (judgment) {
    await request("v1/feedback", { method: "POST", body: { event_id: event, rank, session: voter, ...judgment } });
    given.set(keyOf(event, rank), judgment);
  } else {
    await request(`v1/feedback/${event}/${rank}?session=${voter}`, { method: "DELETE" });
    given.delete(keyOf(event, rank));
  }
  for (const listener of listeners.get(keyOf(event, rank)) || []) listener();
}

// Forget who watched the judgments of a view that is gone.
export function forgetListeners() {
  listeners.clear();
}

function whenJudged(event, rank, listener) {
  const key = keyOf(event, rank);
  listeners.set(key, [...(listeners.get(key) || []), listener]);
}

// Thumbs, reasons and undo for a hit, or for the answer (rank 0). null where one may not judge.
export function thumbs(event, rank, { label, extra } = {}) {
  if (!event || !may("feedback")) return null;
  const box = h("div", { class: "judging" });
  let said = "";
  const say = async (judgment) => {
    try {
      await judge(event, rank, judgment);
      said = judgment ? t("noted") : t("withdrawn");
    } catch (problem) {
      said = problem.message;
    }
    draw();
    box.querySelector("[data-kept]")?.focus();
  };
  const draw = () => {
    const now = judgmentOn(event, rank);
    const kept = box.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    const button = (name, pressed, text, judgment, look) =>
      h("button", {
        type: "button", class: look, "aria-pressed": String(pressed), "data-name": name, "data-kept": name === kept,
        "aria-label": look === "thumb" ? name : null, title: look === "thumb" ? name : null,
        onclick: () => say(pressed && look === "thumb" ? null : judgment),
      }, text);
    const row = h("div", { class: "thumbs" },
      label && h("span", { class: "soft" }, label),
      button(t("helpful"), now?.helpful === true, thumb(false), { ...now, helpful: true, reason: null }, "thumb"),
      button(t("unhelpful"), now?.helpful === false, thumb(true), { ...now, helpful: false }, "thumb"),
      extra && extra(now),
      now && h("button", { type: "button", class: "quiet undo", onclick: () => say(null) }, t("undo")),
      h("span", { class: "soft said", role: "status" }, said));
    const reasons = now?.helpful === false && h("div", { class: "reasons", role: "group", "aria-label": t("whatWrong") },
      h("span", { class: "soft" }, t("whatWrong")),
      REASONS.map((reason) => button(reason, now.reason === reason, t("reasons")[reason], { ...now, reason }, "choice")));
    fill(box, row, reasons);
  };
  whenJudged(event, rank, draw);
  draw();
  return box;
}

// "This is the right one": a correction of the judgment at `rank`, which it becomes part of.
export function rightButton(event, rank, passage, judgment) {
  if (!event || !may("feedback")) return null;
  const box = h("span", { class: "correction" });
  const draw = (problem) => {
    const chosen = isRight(event, rank, passage);
    const button = h("button", { type: "button", class: "quiet right", "aria-pressed": String(chosen) },
      chosen ? `✓ ${t("rightChosen")}` : t("rightOne"));
    button.addEventListener("click", async () => {
      const before = judgmentOn(event, rank) || {};
      const right_passage = { document_id: passage.document_id, chunk_key: passage.chunk_key };
      try {
        await judge(event, rank, chosen ? null : { ...judgment, ...before, right_passage });
        box.querySelector("button").focus();
      } catch (failed) {
        draw(failed);
      }
    });
    fill(box, button, problem instanceof Error && h("span", { class: "soft", role: "status" }, problem.message));
  };
  whenJudged(event, rank, draw);
  draw();
  return box;
}
