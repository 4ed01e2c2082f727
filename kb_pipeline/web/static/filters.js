// Filters with counts: collections, declared fields, and a condition of one's own.
import { request } from "./api.js";
import { h } from "./dom.js";
import { isFiltered } from "./question.js";
import { t, whole } from "./texts.js";

const FOLDED = 8; // values of a filter that are shown at first

const COLLECTION = "collection"; // a facet that there is without a declaration

// What can be filtered by: [{name, values: [{value, documents}]}], collections first.
export async function loadFilters(signal) {
  const { facets } = await request("v1/facets", { signal });
  const { [COLLECTION]: collections, ...fields } = facets;
  return Object.entries({ [COLLECTION]: collections, ...fields }).map(([name, values]) => ({ name, values }));
}

// `where`: the input of the condition. `chosen` is told what is asked for now.
export function showFilters(filters, question, where, open, chosen, cleared) {
  const wide = matchMedia("(min-width: 56rem)").matches;
  return h("details", { class: "filters", open: open ?? wide },
    h("summary", null, t("filters")),
    withChosen(filters, question).map(({ name, values, now }, place) => {
      const changed = (more) => {
        if (name === COLLECTION) return chosen({ collections: more });
        const { [name]: _, ...others } = question.fields;
        return chosen({ fields: more.length ? { ...others, [name]: more } : others });
      };
      return group(`filter-${place}`, name === COLLECTION ? t("collection") : name, values, now, changed);
    }),
    h("fieldset", { class: "condition" },
      h("legend", null, h("label", { for: "where" }, t("condition"))),
      where,
      h("p", { class: "soft", id: "where-help" }, t("conditionHelp"))),
    isFiltered(question) && h("button", { type: "button", class: "quiet clear", onclick: cleared }, t("clear")));
}

// The filters with what is chosen `now`: also what the address asks for and no document has.
function withChosen(filters, question) {
  const chosen = { [COLLECTION]: question.collections, ...question.fields };
  const names = [...new Set([...filters.map((filter) => filter.name), ...Object.keys(chosen)])];
  return names.map((name) => {
    const values = filters.find((filter) => filter.name === name)?.values || [];
    const now = chosen[name] || [];
    const missing = now.filter((value) => !values.some((one) => one.value === value));
    return { name, now, values: [...values, ...missing.map((value) => ({ value, documents: 0 }))] };
  });
}

function group(id, name, values, chosen, changed) {
  if (values.length === 0) return null;
  const rows = values.map(({ value, documents }, place) =>
    h("label", { class: "check", hidden: place >= FOLDED && !chosen.includes(value) },
      h("input", {
        type: "checkbox", id: `${id}-${place}`, checked: chosen.includes(value),
        onchange: (event) => changed(event.target.checked ? [...chosen, value] : chosen.filter((one) => one !== value)),
      }),
      h("span", { class: "value" }, String(value)),
      h("span", { class: "count" }, whole(documents))));
  const more = rows.some((row) => row.hidden) && h("button", { type: "button", class: "quiet", onclick: () => {
    for (const row of rows) row.hidden = false;
    more.remove();
  } }, t("more"));
  return h("fieldset", null, h("legend", null, name), rows, more);
}
