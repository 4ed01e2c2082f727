// The page: its header, the view that the address names, signing in, and keys that work everywhere.
import { Problem, whenSignedOut } from "./api.js";
import { showDocument } from "./document.js";
import { fill, h, message } from "./dom.js";
import { showOverview } from "./overview.js";
import { chooseLanguage, chooseTheme, currentLanguage, isDark, showTheme } from "./preferences.js";
import { address, current, go, whenChanged } from "./route.js";
import { showReview } from "./review.js";
import { showSearch } from "./search.js";
import { load, may, signedInByKey, signInForm, signOut } from "./session.js";
import { locale, t } from "./texts.js";

const VIEWS = { search: showSearch, document: showDocument, review: showReview, overview: showOverview };
const page = document.getElementById("page");
let signedIn = false;
let drawn = new AbortController(); // given up when another view is drawn

function draw() {
  drawn.abort();
  drawn = new AbortController();
  const main = h("main", { id: "main", tabindex: -1 });
  document.documentElement.lang = locale();
  document.title = t("title");
  document.body.classList.remove("busy");
  fill(page, h("a", { class: "skip", href: "#main", onclick: skip }, t("skip")), header(), main);
  if (signedIn) VIEWS[current().view](main, drawn.signal);
  else askForKey(main);
}

function skip(event) {
  event.preventDefault(); // what stands behind the # is the view
  document.getElementById("main").focus();
}

function header() {
  const { view } = current();
  const link = (name, where, label) =>
    h("a", { href: where, "aria-current": view === name ? "page" : null, onclick: (event) => { event.preventDefault(); go(where); } }, label);
  const other = currentLanguage() === "zh" ? "en" : "zh";
  const button = (id, attributes, label, clicked) => h("button", { type: "button", class: "quiet", id, ...attributes, onclick: clicked }, label);
  return h("header", null,
    h("a", { class: "title", href: address("/"), onclick: (event) => { event.preventDefault(); go(address("/")); } }, t("title")),
    signedIn && (may("admin") || may("review")) && h("nav", { "aria-label": t("title") },
      link("search", address("/"), t("search")),
      may("review") && link("review", address("/review"), t("review").title),
      may("admin") && link("overview", address("/overview"), t("overview"))),
    h("div", { class: "preferences" },
      button("theme", { "aria-label": t("colours") + ": " + t(isDark() ? "light" : "dark") }, t(isDark() ? "light" : "dark"), () => { chooseTheme(isDark() ? "light" : "dark"); redraw("theme"); }),
      button("language", { lang: other }, t("otherLanguage"), () => { chooseLanguage(other); redraw("language"); }),
      signedIn && signedInByKey() && button("sign-out", {}, t("signOut"), leave)));
}

function redraw(focused) {
  draw();
  document.getElementById(focused).focus();
}

function askForKey(main) {
  const { form, focus } = signInForm(() => { signedIn = true; draw(); });
  fill(main, form);
  focus();
}

async function leave() {
  try {
    await signOut();
    signedIn = false;
    draw();
  } catch (problem) {
    document.getElementById("main").prepend(message(problem.message, true));
  }
}

async function start() {
  showTheme();
  try {
    signedIn = (await load()) !== null;
    draw();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    fill(page, header(), h("main", null, message(problem.message, true), h("button", { type: "button", class: "quiet", onclick: start }, t("retry"))));
  }
}

// --- keys ----------------------------------------------------------------------------------------------

// Through the hits, or the passages of a document.
function move(step) {
  const stops = [...document.querySelectorAll(".stop")];
  const next = stops.indexOf(document.activeElement.closest(".stop")) + step;
  if (next < 0) document.getElementById("query")?.focus();
  else stops[next]?.focus();
}

function search() {
  if (current().view !== "search") go(address("/"));
  document.getElementById("query")?.select();
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || !signedIn) return;
  const { key, target } = event;
  const typing = target.matches("input:not([type=checkbox]), select, textarea");
  const searching = current().view === "search";
  if (key === "ArrowDown" && searching && (!typing || target.id === "query")) move(1);
  else if (key === "ArrowUp" && searching && !typing) move(-1);
  else if (key === "Escape" && searching && target.id !== "query") document.getElementById("query")?.focus();
  else if (key === "Escape" && !searching) document.querySelector(".back")?.click();
  else if (typing) return;
  else if (key === "/") search();
  else if (key === "j") move(1);
  else if (key === "k") move(-1);
  else if (key === "Enter" && target.matches(".hit")) (target.querySelector("a.file") || target.querySelector(".whole"))?.click();
  else return;
  event.preventDefault();
});

whenSignedOut(() => { signedIn = false; draw(); });
whenChanged(draw);
start();
