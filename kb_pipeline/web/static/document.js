// A document as it is stored: its passages in order or its pages, at what was cited, with what is known of it.
import { request } from "./api.js";
import { fill, h, message } from "./dom.js";
import { valueText } from "./hit.js";
import { forgetListeners, rightButton } from "./judgments.js";
import { marked, stretches } from "./marks.js";
import { address, current, go, replace } from "./route.js";
import { answerOf } from "./search.js";
import { may } from "./session.js";
import { bytes, moment, t, whole } from "./texts.js";

const AROUND = 21; // passages at first, the cited one in the middle
const MORE = 20;
const PAGES = 5; // at a time

export async function showDocument(main, signal) {
  const { document: id, parameters, memory } = current();
  forgetListeners();
  fill(main, back(), h("p", { class: "soft", role: "status" }, t("loading")));
  const path = `v1/documents/${id}`;
  const cited = parameters.getAll("passage");
  const byPages = parameters.get("show") === "pages";
  const ask = (rest, more) => request(`${path}/${rest}?${new URLSearchParams(more)}`, { signal });
  try {
    const found = await request(path, { signal });
    const body = byPages
      ? await pages(ask, Number(parameters.get("page")) || null)
      : await passages(ask, found, cited, memory);
    fill(main,
      h("div", { class: "bookmark" }, back(), h("h1", { tabindex: -1 }, found.source_file)),
      head(found, path, byPages, parameters, memory), body.shown);
    body.cited?.scrollIntoView({ block: "center" });
    (body.cited || main.querySelector("h1")).focus({ preventScroll: true });
    document.title = `${found.source_file} – ${t("title")}`;
  } catch (problem) {
    if (problem.name !== "AbortError") fill(main, back(), message(problem.message, true));
  }
}

function back() {
  return h("button", { type: "button", class: "quiet back", onclick: () => (history.length > 1 ? history.back() : go(address("/"))) }, `← ${t("back")}`);
}

function head(found, path, byPages, parameters, memory) {
  const about = [
    [t("collection"), found.collection], [t("format"), found.format], [t("size"), bytes(found.size)],
    [t("pageCount"), found.page_count && whole(found.page_count)], [t("chunks"), whole(found.chunks)],
    [t("changed"), moment(found.changed_at)], [t("loaded"), moment(found.loaded_at)],
    ...Object.entries(found.fields).map(([name, value]) => [name, valueText(value)]),
  ].filter(([, value]) => value);
  const show = (kind) => {
    const others = [...parameters].filter(([name]) => name !== "show");
    return address(`/documents/${found.id}`, kind === "pages" ? [...others, ["show", "pages"]] : others);
  };
  const tab = (kind, label, chosen) =>
    h("a", {
      href: show(kind), "aria-current": chosen ? "true" : null, class: "tab",
      onclick: (event) => { event.preventDefault(); replace(show(kind), memory); },
    }, label);
  return h("div", { class: "head" },
    h("dl", { class: "about", "aria-label": t("about") }, about.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)))),
    found.warnings.length > 0 && h("details", null, h("summary", null, t("warnings")), h("ul", null, found.warnings.map((one) => h("li", null, one)))),
    h("nav", { class: "tabs", "aria-label": t("about") },
      tab("passages", t("passages"), !byPages), tab("pages", t("pages"), byPages),
      may("original") && h("a", { href: `${path}/original`, class: "original" }, t("original"))));
}

// --- passages ----------------------------------------------------------------------------------------

async function passages(ask, found, cited, memory) {
  const first = await ask("chunks", cited.length ? { around: cited[0], limit: AROUND } : { limit: AROUND });
  const list = h("ol", { class: "passages" });
  const one = (passage) => showPassage(passage, found, cited, memory);
  list.append(...first.chunks.map(one));
  const shown = h("div", { class: "reading" }, list);
  let begin = first.chunks[0]?.ordinal || 0;
  let next = first.next_cursor;
  const earlier = more(t("earlier"), async () => {
    const limit = Math.min(begin, MORE);
    const part = await ask("chunks", { cursor: begin - limit, limit });
    list.prepend(...part.chunks.map(one));
    begin -= limit;
    return begin > 0;
  });
  const later = more(t("later"), async () => {
    const part = await ask("chunks", { cursor: next, limit: MORE });
    list.append(...part.chunks.map(one));
    next = part.next_cursor;
    return next !== null;
  });
  if (begin > 0) shown.prepend(earlier);
  if (next !== null) shown.append(later);
  return { shown, cited: list.querySelector("[aria-current]") };
}

function showPassage(passage, found, cited, memory) {
  const isCited = cited.includes(passage.chunk_key);
  const known = { document_id: found.id, chunk_key: passage.chunk_key };
  const metadata = Object.entries(passage.metadata);
  return h("li", { class: isCited ? "passage stop cited" : "passage stop", tabindex: -1, "aria-current": isCited ? "true" : null },
    h("div", { class: "where" },
      isCited && h("span", { class: "tag chip" }, t("cited")),
      passage.page_number && h("span", { class: "tag" }, t("page")(passage.page_number, passage.page_end)),
      passage.section_path.length > 0 && h("span", { class: "section" }, passage.section_path.join(" › "))),
    h("p", { class: "text" }, marked(passage.content, marksOf(passage, memory))),
    metadata.length > 0 && h("ul", { class: "tags", "aria-label": t("metadata") }, metadata.map(([name, value]) => h("li", { class: "tag" }, `${name}: ${valueText(value)}`))),
    !isCited && memory.event && rightButton(memory.event, memory.rank, known, { helpful: false, reason: "wrong_place" }));
}

// The words of the question, where this is the very passage that the search has shown.
function marksOf(passage, memory) {
  const hit = answerOf(memory.event)?.hits.find((one) => one.rank === memory.rank);
  return hit && hit.chunk_key === passage.chunk_key && hit.content === passage.content ? stretches(hit) : [];
}

// --- pages -------------------------------------------------------------------------------------------

async function pages(ask, wanted) {
  const begin = wanted ? Math.max(wanted - 1, 0) : 0;
  const list = h("ol", { class: "passages" });
  const one = (page) => showPage(page, wanted);
  let part = await ask("pages", { first: begin, limit: PAGES });
  let cursor = part.next_cursor;
  list.append(...part.pages.map(one));
  const shown = h("div", { class: "reading" }, list);
  if (begin > 1) {
    shown.prepend(more(t("earlier"), async () => {
      part = await ask("pages", { last: begin - 1, limit: 500 });
      list.prepend(...part.pages.map(one));
      return false;
    }));
  }
  if (cursor !== null) {
    shown.append(more(t("later"), async () => {
      part = await ask("pages", { first: begin, cursor, limit: PAGES });
      list.append(...part.pages.map(one));
      cursor = part.next_cursor;
      return cursor !== null;
    }));
  }
  return { shown, cited: list.querySelector("[aria-current]") };
}

function showPage(page, wanted) {
  const isCited = page.page_number !== null && page.page_number === wanted;
  return h("li", { class: isCited ? "passage stop cited" : "passage stop", tabindex: -1, "aria-current": isCited ? "true" : null },
    h("div", { class: "where" },
      isCited && h("span", { class: "tag chip" }, t("citedPage")),
      h("span", { class: "tag" }, page.page_number === null ? t("wholeText") : t("page")(page.page_number))),
    h("p", { class: "text" }, page.text));
}

// A button that brings more; it goes once there is no more.
function more(label, load) {
  const button = h("button", { type: "button", class: "quiet more" }, label);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      if (!(await load())) button.remove();
    } catch (problem) {
      if (problem.name !== "AbortError") button.after(message(problem.message, true));
    }
    button.disabled = false;
  });
  return button;
}
