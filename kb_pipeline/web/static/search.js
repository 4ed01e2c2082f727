// The search view: a question, filters with counts, and what was found.
import { answerChoice, find, showAnswer } from "./answer.js";
import { fill, h, message } from "./dom.js";
import { loadFilters, showFilters } from "./filters.js";
import { showHit } from "./hit.js";
import { forgetListeners, thumbs } from "./judgments.js";
import { CHOICES, isFiltered, readQuestion, requestOf, withoutFilters, writtenQuestion } from "./question.js";
import { address, current, note, remember } from "./route.js";
import { t } from "./texts.js";

const SLOW = 2_000; // milliseconds
const MOST_ANSWERS = 20; // that going back shows without asking again
const answers = new Map(); // number of a history entry -> the answer

// The answer of a search that was made in this tab, if it is still known.
export function answerOf(event) {
  return [...answers.values()].find((answer) => answer.event_id === event) || null;
}

function keep(answer) {
  const number = current().memory.answer || Date.now();
  answers.delete(number);
  answers.set(number, answer);
  if (answers.size > MOST_ANSWERS) answers.delete(answers.keys().next().value);
  remember({ answer: number });
}

export async function showSearch(main, signal) {
  const { parameters, memory } = current();
  let question = readQuestion(parameters, memory);
  let running = null;
  let filters = [];

  const query = h("input", {
    id: "query", type: "search", maxlength: 2000, autocomplete: "off", enterkeyhint: "search", placeholder: t("ask"), "aria-label": t("ask"),
  });
  const where = h("input", { id: "where", maxlength: 4000, autocomplete: "off", spellcheck: "false", "aria-describedby": "where-help" });
  const options = h("div", { class: "options" });
  const side = h("div", { class: "side" });
  const status = h("p", { class: "status", role: "status", id: "status" });
  const results = h("div", { id: "results" });
  const form = h("form", { role: "search", id: "form", onsubmit: (event) => { event.preventDefault(); change({ query: query.value, where: where.value }); } },
    h("div", { class: "bar" }, query, h("button", { class: "go" }, t("search"))),
    options);
  fill(main, h("h1", { class: "unseen" }, t("search")), form, h("div", { class: "columns" }, side, h("div", { class: "results" }, status, results)));
  write();
  drawSide();

  if (question.query.trim()) {
    const known = answers.get(memory.answer);
    if (known) show(known);
    else ask();
    main.querySelector(`#hit-${memory.rank}`)?.closest(".hit").focus();
  } else {
    fill(results, welcome());
  }
  if (!main.contains(document.activeElement)) query.focus();
  try {
    filters = await loadFilters(signal);
    drawSide();
  } catch (problem) {
    if (problem.name === "AbortError") return;
    // The next search says what is wrong.
  }

  // What the form shows is what is asked.
  function write() {
    query.value = question.query;
    where.value = question.where;
    fill(options,
      select("mode", t("mode"), t), select("k", t("count"), (value) => value),
      select("per_document", t("perDocument"), (value) => value || t("any")),
      h("label", { class: "check" },
        h("input", { id: "merge", type: "checkbox", checked: question.merge, onchange: (event) => change({ merge: event.target.checked }) }),
        t("merge")),
      answerChoice(() => change({})));
  }

  function select(name, label, text) {
    const made = h("select", { id: name, onchange: () => change({ [name]: made.value }) },
      CHOICES[name].map((value) => h("option", { value, selected: value === question[name] }, text(value))));
    return h("label", null, h("span", null, label), made);
  }

  function drawSide() {
    const focused = side.contains(document.activeElement) ? document.activeElement.id : null;
    const open = side.querySelector("details")?.open;
    fill(side, showFilters(filters, question, where, open, change, () => change(withoutFilters(question))));
    if (focused) document.getElementById(focused)?.focus();
  }

  // Ask for something else: a new entry of the history, when something was asked at all.
  function change(more) {
    question = { ...question, query: query.value, where: where.value, ...more };
    where.value = question.where;
    const asked = address("/", writtenQuestion(question));
    if (!question.query.trim()) history.replaceState({}, "", asked);
    else note(asked, { query: question.query, where: question.where });
    drawSide();
    if (question.query.trim()) ask();
  }

  async function ask() {
    running?.abort();
    const mine = (running = new AbortController());
    const asked = AbortSignal.any([mine.signal, signal]);
    document.body.classList.add("busy");
    status.textContent = t("searching");
    const slow = setTimeout(() => fill(status, t("slow"), " ", h("button", { type: "button", class: "quiet", onclick: cancel }, t("cancel"))), SLOW);
    try {
      const answer = await find(requestOf(question), asked);
      keep(answer);
      show(answer);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      status.textContent = "";
      fill(results, message(problem.message, true), problem.status !== 400 && h("button", { type: "button", class: "quiet", onclick: ask }, t("retry")));
    } finally {
      clearTimeout(slow);
      if (running === mine) document.body.classList.remove("busy");
    }
  }

  function cancel() {
    running.abort();
    document.body.classList.remove("busy");
    status.textContent = "";
  }

  function show(answer) {
    forgetListeners();
    status.textContent = answer.hits.length ? t("found")(answer.hits.length, answer.timings_ms.total) : "";
    fill(results,
      showAnswer(answer),
      h("h2", { class: "unseen" }, t("results")),
      h("p", { class: "echo" }, `${t("asked")} `, h("q", null, answer.query),
        answer.query !== question.query.trim().normalize("NFC") && h("span", { class: "tag chip" }, t("masked"))),
      answer.note && message(t("notes")[answer.note_code] || answer.note),
      answer.hits.length === 0 && !answer.note && message(t("nothing")),
      answer.hits.length === 0 && isFiltered(question) &&
        h("button", { type: "button", class: "quiet", onclick: () => { change(withoutFilters(question)); } }, t("clear")),
      h("ol", { class: "hits" }, answer.hits.map((hit) => showHit(hit, answer, () => remember({ rank: hit.rank })))),
      !answer.answer && thumbs(answer.event_id, 0, { label: t("helpfulAnswer") }));
  }
}

function welcome() {
  return h("div", { class: "welcome soft" },
    h("p", null, t("welcome")),
    h("p", { class: "keys" }, t("keys").map(([key, does]) => h("span", null, key.split(" ").map((one) => h("kbd", null, one)), ` ${does}`))));
}
