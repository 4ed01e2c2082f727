// The answer above the hits, where the server writes any: its sentences as they come, each with links to the hits that
// say it. It is kept in `answer` of what the search found, so that going back shows it again:
//
//   state      writing, stopped, or as the server ends it: answered, unknown, failed
//   sentences  [{text, citations, starts_line}]; `changed` is called when something of it changes
import { orOffline, Problem, request, send } from "./api.js";
import { fill, h, message } from "./dom.js";
import { thumbs } from "./judgments.js";
import { chooseAnswers, wantsAnswers } from "./preferences.js";
import { hasAnswers } from "./session.js";
import { placeOf, t } from "./texts.js";

// What a search found; where an answer is wanted, it comes in from then on. Throws as `request` does.
export async function find(body, signal) {
  const search = () => request("v1/search", { method: "POST", body, signal });
  if (!hasAnswers() || !wantsAnswers()) return search();
  const mine = new AbortController();
  let stream;
  try {
    stream = events(await send("v1/answer", { method: "POST", body, signal: AbortSignal.any([signal, mine.signal]) }));
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    return search(); // it writes none any more
  }
  const begun = await stream.next();
  if (begun.done) throw new Problem(0, t("offline"));
  const [, found] = begun.value;
  if (found.hits.length === 0) { // there is nothing to answer out of, and the page says so
    mine.abort();
    return found;
  }
  found.answer = { state: "writing", sentences: [], changed: () => {}, stop: () => mine.abort() };
  follow(stream, found.answer);
  return found;
}

async function follow(stream, answer) {
  try {
    for await (const [name, data] of stream) {
      if (name === "sentence") answer.sentences.push(data);
      else Object.assign(answer, data);
      answer.changed();
    }
  } catch (problem) {
    answer.note = problem.name === "AbortError" ? null : problem.message;
  }
  if (answer.state === "writing") answer.state = "stopped";
  answer.changed();
}

// [name, data] of every event of a stream; each is two lines and an empty one.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await orOffline(() => reader.read(), response.status);
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const [event, data] = block.split("\n");
      yield [event.slice("event: ".length), JSON.parse(data.slice("data: ".length))];
    }
  }
}

// The box to tick for answers, where there are any; `changed` is called after it was.
export function answerChoice(changed) {
  if (!hasAnswers()) return null;
  const chosen = (event) => { chooseAnswers(event.target.checked); changed(); };
  return h("label", { class: "check" },
    h("input", { id: "answers", type: "checkbox", checked: wantsAnswers(), onchange: chosen }), t("writeAnswer"));
}

// Of what a search found; null where no answer was asked for.
export function showAnswer(found) {
  const { answer } = found;
  if (!answer) return null;
  const sentences = h("div", { class: "sentences", "aria-live": "polite" });
  const below = h("div", { class: "below" });
  let shown = 0; // sentences; only new ones are added, so that a screen reader says each once
  const draw = () => {
    for (const sentence of answer.sentences.slice(shown)) {
      if (sentence.starts_line || !sentences.lastChild) sentences.append(h("p", { class: "text" }));
      const characters = [...sentence.text];
      const [first, ...others] = sentence.citations.map((number) => citation(number, found.hits));
      const end = h("span", { class: "end" }, `${characters.splice(-2).join("")} `, first); // which begins no line
      sentences.lastChild.append(characters.join(""), end, ...others, " ");
    }
    shown = answer.sentences.length;
    if (answer.state === "unknown" && !sentences.hasChildNodes()) sentences.append(h("p", { class: "text" }, answer.text));
    drawBelow();
  };
  const drawBelow = () => {
    if (answer.state === "writing") {
      if (!below.hasChildNodes()) fill(below, h("span", { class: "soft writing" }, t("writing")), h("button", { type: "button", class: "quiet", onclick: answer.stop }, t("stop")));
      return;
    }
    const isFocused = below.contains(document.activeElement); // on what goes away now
    const note = (answer.note_code && t("answerNotes")[answer.note_code]) || answer.note;
    fill(below,
      note && message(note),
      answer.state === "stopped" && !note && h("p", { class: "soft" }, t("stopped")),
      answer.dropped > 0 && h("p", { class: "soft" }, t("dropped")(answer.dropped)),
      answer.state === "answered" && h("p", { class: "soft" }, t("byModel")),
      thumbs(found.event_id, 0, { label: t("helpfulAnswer") }));
    if (isFocused) below.querySelector("button")?.focus();
  };
  answer.changed = draw;
  draw();
  return h("section", { class: "answer", "aria-label": t("answer") }, h("h2", null, t("answer")), sentences, below);
}

function citation(number, hits) {
  const place = placeOf(hits[number - 1]);
  const go = () => {
    const hit = document.getElementById(`hit-${number}`)?.closest(".hit");
    hit?.scrollIntoView({ block: "nearest" });
    hit?.focus();
  };
  return h("button", { type: "button", class: "cite", title: place, "aria-label": t("source")(number, place), onclick: go }, String(number));
}
