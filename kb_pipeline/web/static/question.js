// What is asked: the question with its options and filters, as one writes it into the address and into a request.
// The question itself and the written condition stay out of the address, see `route.js`.

const MODES = ["hybrid", "vector", "lexical"];
const COUNTS = ["10", "20", "50"];
const PER_DOCUMENT = ["", "1", "3"];
export const CHOICES = { mode: MODES, k: COUNTS, per_document: PER_DOCUMENT };
const FIELD = "field.";

// `fields`: name -> values that are allowed, each a text, a number or a truth value; the address has them as JSON.
export function readQuestion(parameters, memory) {
  const choice = (name) => {
    const value = parameters.get(name);
    return CHOICES[name].includes(value) ? value : CHOICES[name][0];
  };
  const fields = {};
  for (const [name, value] of parameters) {
    if (name.startsWith(FIELD)) (fields[name.slice(FIELD.length)] ||= []).push(readValue(value));
  }
  return {
    query: memory.query || "",
    where: memory.where || "",
    mode: choice("mode"),
    k: choice("k"),
    per_document: choice("per_document"),
    merge: parameters.get("merge") === "true",
    collections: parameters.getAll("collection"),
    fields,
  };
}

function readValue(written) {
  try {
    return JSON.parse(written);
  } catch {
    return written; // an address that somebody wrote by hand
  }
}

export function writtenQuestion(question) {
  const written = [];
  for (const [name, values] of Object.entries(CHOICES)) {
    if (question[name] !== values[0]) written.push([name, question[name]]);
  }
  if (question.merge) written.push(["merge", "true"]);
  for (const name of question.collections) written.push(["collection", name]);
  for (const [name, values] of Object.entries(question.fields)) {
    for (const value of values) written.push([FIELD + name, JSON.stringify(value)]);
  }
  return written;
}

export function isFiltered(question) {
  return Boolean(question.where.trim()) || question.collections.length > 0 || Object.keys(question.fields).length > 0;
}

export function withoutFilters(question) {
  return { ...question, where: "", collections: [], fields: {} };
}

export function requestOf(question) {
  const body = { query: question.query, k: Number(question.k), mode: question.mode, merge: question.merge, explain: true };
  if (question.per_document) body.per_document = Number(question.per_document);
  if (question.collections.length) body.collections = question.collections;
  const written = question.where.trim() ? question.where : "";
  const chosen = Object.entries(question.fields).map(([name, values]) => `${name} in (${values.map(literal).join(", ")})`);
  const conditions = written && chosen.length ? [`(${written})`, ...chosen] : [written, ...chosen].filter(Boolean);
  if (conditions.length) body.where = conditions.join(" and ");
  return body;
}

// As a condition has it; dates are texts.
function literal(value) {
  return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value);
}
