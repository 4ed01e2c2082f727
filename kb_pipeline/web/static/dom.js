// Making elements. Everything that comes from the knowledge base is set as text, never as markup; the page's content
// security policy refuses anything else.

// An element with attributes (`onclick` and the like are listeners; null, undefined and false are left out) and with
// children: elements, texts, arrays of them, and nothing for null and false.
export function h(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...present(children));
  return made;
}

export function fill(target, ...children) {
  target.replaceChildren(...present(children));
  return target;
}

function present(children) {
  return children.flat(2).filter((child) => child !== null && child !== undefined && child !== false);
}

// A button that shows and hides something; `toggled` is told whether it is open now.
export function unfolding(closed, opened, toggled) {
  const button = h("button", { type: "button", class: "quiet", "aria-expanded": "false" }, closed);
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? opened : closed;
    toggled(open);
  });
  return button;
}

export function message(text, bad = false) {
  return h("p", { class: bad ? "message bad" : "message", role: bad ? "alert" : null }, text);
}
