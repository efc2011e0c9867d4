export const at = (id) => document.getElementById(id);

/** Words given as children become text and never markup. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") made.className = value;
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "hue") made.style.setProperty("--hue", value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const CHINESE = /[\u3400-\u9fff]/;

export function face(name) {
  const parts = name.trim().split(/\s+/);
  const letters = CHINESE.test(name) ? name.trim().slice(0, 1) : parts.slice(0, 2).map((part) => [...part][0]).join("");
  return el("span", { class: "face", hue: hueOfName(name), "aria-hidden": "true" }, letters.toUpperCase());
}

function hueOfName(name) {
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

const LINK = /https?:\/\/[^\s<>"'，。；）】]+/g;

/** Addresses in a text can be opened; all else stays text. */
export function linked(text) {
  const found = document.createDocumentFragment();
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    found.append(text.slice(from, match.index));
    found.append(el("a", { href: match[0], target: "_blank", rel: "noopener noreferrer" }, match[0]));
    from = match.index + match[0].length;
  }
  found.append(text.slice(from));
  return found;
}
