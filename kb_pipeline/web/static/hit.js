// One hit: where it stands, an excerpt, why it stands there, and what one thinks of it.
import { h, unfolding } from "./dom.js";
import { rightButton, thumbs } from "./judgments.js";
import { excerpt, marked, stretches } from "./marks.js";
import { address, go } from "./route.js";
import { may } from "./session.js";
import { placeOf, t } from "./texts.js";

const MOST_PLACES = 3;

// `answer`: of the search that found it. `opening` is called before its document is opened.
export function showHit(hit, answer, opening) {
  const id = `hit-${hit.rank}`;
  const marks = stretches(hit);
  const [from, to] = excerpt(hit.content, marks);
  const text = h("p", { class: "text" }, marked(hit.content, marks, from, to));
  const actions = h("div", { class: "actions" });
  const below = [];
  if (from > 0 || to < hit.content.length) {
    const more = unfolding(t("more"), t("less"), (open) =>
      text.replaceChildren(...(open ? marked(hit.content, marks) : marked(hit.content, marks, from, to))));
    more.classList.add("whole");
    actions.append(more);
  }
  if (hit.explanation) {
    const reasons = explain(hit.explanation);
    actions.append(unfolding(t("because"), t("less"), (open) => { reasons.hidden = !open; }));
    below.push(reasons);
  }
  const judging = thumbs(answer.event_id, hit.rank);
  const right = rightButton(answer.event_id, 0, hit, { helpful: true });
  return h("li", { class: "hit stop", tabindex: -1, "aria-labelledby": id },
    h("div", { class: "where" },
      title(hit, answer, id, opening),
      hit.page_number && h("span", { class: "tag" }, t("page")(hit.page_number, hit.page_end)),
      h("span", { class: "tag chip" }, hit.collection),
      h("span", { class: "score", title: `${t("score")} ${hit.score}` }, hit.score.toFixed(Math.abs(hit.score) <= 1 ? 3 : 1))),
    hit.section_path.length > 0 && h("p", { class: "section" }, hit.section_path.join(" › ")),
    text,
    fieldTags(hit.fields),
    hit.also_in.length > 0 && alsoIn(hit.also_in),
    h("div", { class: "below" }, actions, judging, right),
    below);
}

function title(hit, answer, id, opening) {
  if (!may("read")) return h("span", { class: "file", id }, hit.source_file);
  const where = address(`/documents/${hit.document_id}`, cited(hit));
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // into another tab
    event.preventDefault();
    opening(hit);
    go(where, { event: answer.event_id, rank: hit.rank });
  };
  return h("a", { class: "file", id, href: where, title: t("read"), onclick: open }, hit.source_file);
}

// Its passages, the best first (a merged hit has several), and its page.
function cited(hit) {
  const others = hit.chunk_keys.filter((key) => key !== hit.chunk_key);
  const passages = [hit.chunk_key, ...others].map((key) => ["passage", key]);
  return hit.page_number ? [...passages, ["page", hit.page_number]] : passages;
}

function fieldTags(fields) {
  const names = Object.keys(fields);
  if (names.length === 0) return null;
  return h("ul", { class: "tags" }, names.map((name) => h("li", { class: "tag" }, `${name}: ${valueText(fields[name])}`)));
}

export function valueText(value) {
  if (Array.isArray(value)) return value.map(valueText).join(t("comma"));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function alsoIn(places) {
  const named = places.slice(0, MOST_PLACES).map(placeOf).join(t("comma"));
  const more = places.length > MOST_PLACES ? t("others")(places.length - MOST_PLACES) : "";
  return h("p", { class: "section" }, `${t("also")} ${named}${more}`);
}

function explain(explanation) {
  const rows = [["meaning", "vector"], ["words", "lexical"]].map(([leg, name]) => {
    const share = explanation[leg];
    const values = share
      ? [share.rank, share.score.toFixed(3), share.normalised.toFixed(3), share.weight.toFixed(3)]
      : ["–", "–", "–", "–"];
    return h("tr", null, h("th", { scope: "row" }, t(name)), values.map((value) => h("td", null, String(value))));
  });
  const remarks = [];
  if (explanation.coverage !== null) remarks.push(`${t("coverage")}: ${explanation.coverage.toFixed(2)}`);
  if (explanation.language_shift !== null) remarks.push(`${t("shift")}: ${explanation.language_shift.toFixed(3)}`);
  if (explanation.rerank !== null) remarks.push(`${t("reranked")}: ${explanation.rerank.toFixed(3)}`);
  const [, ...columns] = t("why");
  return h("div", { class: "explanation", hidden: true },
    h("table", null,
      h("caption", null, t("whyCaption")),
      h("thead", null, h("tr", null, h("td"), columns.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, rows)),
    remarks.length > 0 && h("p", null, remarks.join(" · ")));
}
