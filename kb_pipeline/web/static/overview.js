// The state of the corpus, for people with the right `admin`.
import { request } from "./api.js";
import { fill, h, message } from "./dom.js";
import { day, moment, t, whole } from "./texts.js";

export async function showOverview(main, signal) {
  fill(main, h("h1", null, t("overview")), h("p", { class: "soft", role: "status" }, t("loading")));
  try {
    const [found, missed] = await Promise.all([request("v1/overview", { signal }), request("v1/searches/unanswered", { signal })]);
    draw(main, found, missed.searches);
  } catch (problem) {
    if (problem.name !== "AbortError") fill(main, h("h1", null, t("overview")), message(problem.message, true));
  }
}

function draw(main, found, missed) {
  fill(main,
    h("h1", null, t("overview"), " ", h("small", { class: "soft" }, t("asOf")(moment(found.as_of)))),
    found.notes.map((note) => message(note)),
    h("dl", { class: "tiles" }, ["documents", "chunks", "vectors", "pending", "failed"].map((name) =>
      h("div", { class: name === "failed" && found.failed > 0 ? "tile bad" : "tile" }, h("dt", null, t(name)), h("dd", null, whole(found[name]))))),
    h("div", { class: "pair" },
      section(t("byCollection"), (name) => shares(name, t("collection"), found.collections.map((one) => ({ name: one.collection, ...one })), found.documents, true)),
      h("div", null,
        section(t("byFormat"), (name) => shares(name, t("format"), found.formats.map((one) => ({ ...one, name: one.format || t("unnamed") })), found.documents)),
        section(t("freshness"), (name) => shares(name, t("changed"), found.freshness.map((one) => ({ name: t("freshnessOf")[one.age], documents: one.documents })), found.documents)))),
    section(`${t("failures")} (${whole(found.failed)})`, (name) => failures(name, found.failures)),
    h("div", { class: "pair" },
      section(t("waiting"), (name) => waiting(name, found.pending_reasons)),
      section(t("servers"), (name) => servers(name, found.servers))),
    section(t("nothingFound"), (name) => searches(name, missed)));
}

function section(name, content) {
  return h("section", null, h("h2", null, name), content(name));
}

function table(name, columns, rows) {
  return h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": name }, h("table", null,
    h("thead", null, h("tr", null, columns.map((column) => h("th", { scope: "col" }, column)))),
    h("tbody", null, rows.map((row) => h("tr", null, row.map((cell) => h("td", null, cell)))))));
}

// Rows with documents and their share of all; with passages and the newest change where these are known.
function shares(name, title, rows, all, more = false) {
  const columns = [title, t("documents"), t("share"), ...(more ? [t("chunks"), t("newest")] : [])];
  return table(name, columns, rows.map((row) => [
    row.name, whole(row.documents),
    h("meter", { min: 0, max: Math.max(all, 1), value: row.documents, "aria-label": row.name }),
    ...(more ? [whole(row.chunks), day(row.newest)] : []),
  ]));
}

function failures(name, rows) {
  if (rows.length === 0) return h("p", { class: "soft" }, t("noFailures"));
  const columns = [t("file"), t("collection"), t("stage"), t("reason"), t("attempts"), t("failedAt")];
  return table(name, columns, rows.map((row) =>
    [row.source_file, row.collection, t("stages")[row.stage] || row.stage, row.reason, whole(row.attempts), moment(row.failed_at)]));
}

function waiting(name, reasons) {
  const names = Object.keys(reasons);
  if (names.length === 0) return h("p", { class: "soft" }, t("noneWaiting"));
  return table(name, [t("reason"), t("documents")], names.map((one) => [t("pendingReasons")[one] || one, whole(reasons[one])]));
}

function servers(name, rows) {
  return table(name, [t("server"), t("address"), t("state")], rows.map((row) =>
    [`${row.name} (${row.kind})`, row.address || "–", row.running ? t("running") : t("startsWhenNeeded")]));
}

function searches(name, rows) {
  if (rows.length === 0) return h("p", { class: "soft" }, t("noneMissed"));
  return table(name, [t("query"), t("times"), t("lastTime")], rows.map((row) => [row.query, whole(row.times), moment(row.last)]));
}
