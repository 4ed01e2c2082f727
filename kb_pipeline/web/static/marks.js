// Marking the words of a question in a passage.
import { h } from "./dom.js";

// [start, end) of every marked stretch, in JavaScript's code units; the server counts characters.
export function stretches(hit) {
  if (!/[\ud800-\udbff]/.test(hit.content)) return hit.highlights;
  const units = [0];
  for (const character of hit.content) units.push(units[units.length - 1] + character.length);
  return hit.highlights.map(([start, end]) => [units[start], units[end]]);
}

// How many characters an excerpt has: a Chinese one says as much in fewer.
function excerptSize(text) {
  return /[\u3400-\u9fff]/.test(text.slice(0, 200)) ? 150 : 280;
}

// The window of the text that holds most of what is marked, beginning at the start of a sentence if one is near.
export function excerpt(text, marks) {
  const size = excerptSize(text);
  if (text.length <= size * 1.4) return [0, text.length];
  let [best, most] = [0, -1];
  for (const [start] of marks.length ? marks : [[0]]) {
    let covered = 0;
    const seen = new Set();
    for (const [a, b] of marks) {
      if (a < start || b > start + size) continue;
      const word = text.slice(a, b).toLowerCase();
      covered += seen.has(word) ? 1 : 4 + (b - a);
      seen.add(word);
    }
    if (covered > most) [best, most] = [start, covered];
  }
  let from = Math.max(0, best - 40);
  const sentence = text.slice(Math.max(0, best - 80), best).search(/[^。！？!?\n.]*$/);
  if (best > 0) from = Math.max(from - 40, Math.max(0, best - 80) + Math.max(sentence, 0));
  if (best <= 80) from = 0;
  return [from, Math.min(text.length, from + size)];
}

// The text from `from` to `to` as nodes, with what is marked in <mark>.
export function marked(text, marks, from = 0, to = text.length) {
  const nodes = from > 0 ? ["… "] : [];
  let at = from;
  for (const [start, end] of marks) {
    if (end <= from || start >= to) continue;
    const [a, b] = [Math.max(start, from), Math.min(end, to)];
    nodes.push(text.slice(at, a), h("mark", null, text.slice(a, b)));
    at = b;
  }
  nodes.push(text.slice(at, to));
  if (to < text.length) nodes.push(" …");
  return nodes;
}
