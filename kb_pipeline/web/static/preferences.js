// What this browser remembers: the language, the colours, and a random name that tells its judgments from those of
// other people who use the same key.

const LANGUAGES = ["en", "zh"];
const THEMES = ["light", "dark"];

function remembered(name) {
  try {
    return localStorage.getItem(`kb.${name}`);
  } catch {
    return null; // a browser that keeps nothing
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`kb.${name}`, value);
  } catch {
    // It is asked again next time.
  }
}

const wanted = remembered("language");
let language = LANGUAGES.includes(wanted) ? wanted : navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
let theme = THEMES.includes(remembered("theme")) ? remembered("theme") : null;

let answers = remembered("answers") !== "no";

export const voter = remembered("voter") || newVoter();

function newVoter() {
  const bytes = crypto.getRandomValues(new Uint8Array(12)); // randomUUID is only there over TLS
  const name = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  remember("voter", name);
  return name;
}

export function currentLanguage() {
  return language;
}

export function chooseLanguage(name) {
  language = name;
  remember("language", name);
}

export function wantsAnswers() {
  return answers;
}

export function chooseAnswers(wanted) {
  answers = wanted;
  remember("answers", wanted ? "yes" : "no");
}

export function isDark() {
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function chooseTheme(name) {
  theme = name;
  remember("theme", name);
  showTheme();
}

export function showTheme() {
  if (theme) document.documentElement.dataset.theme = theme;
}
