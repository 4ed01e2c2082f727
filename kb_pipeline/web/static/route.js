// Where one is: the view and its choices stand behind the # of the address, which browsers send to no server. What was
// asked may be personal and stands in no address at all, but in the history entry (its *memory*), so that going back
// and reloading bring it back.
//
//   #/?mode=lexical&collection=contracts&field.tag=finance     searching
//   #/documents/12?passage=0a1b…&show=pages&page=3             a document, at a passage or a page
//   #/review                                                   cases of feedback
//   #/overview                                                 the corpus

export function current() {
  const [path, parameters] = location.hash.replace(/^#/, "").split("?");
  const document = /^\/documents\/([0-9]{1,19})$/.exec(path);
  const view = document ? "document" : ["/overview", "/review"].includes(path) ? path.slice(1) : "search";
  return { view, document: document && document[1], parameters: new URLSearchParams(parameters), memory: history.state || {} };
}

export function address(path, parameters) {
  const written = new URLSearchParams(parameters).toString();
  return `#${path}${written ? `?${written}` : ""}`;
}

let changed = () => {};

// `callback` is called after going somewhere, by a link or by the browser's buttons.
export function whenChanged(callback) {
  changed = callback;
  window.addEventListener("popstate", () => changed());
}

// Go there: a new entry of the history.
export function go(where, memory = {}) {
  history.pushState(memory, "", where);
  changed();
}

// The same in this entry's place.
export function replace(where, memory) {
  history.replaceState(memory, "", where);
  changed();
}

// A new entry without drawing anything anew.
export function note(where, memory) {
  history.pushState(memory, "", where);
}

// Change what this entry remembers.
export function remember(more) {
  history.replaceState({ ...history.state, ...more }, "");
}
