import { el, linked } from "./dom.js";
import { toolIcon } from "./icons.js";
import * as times from "./times.js";
import { knows, say } from "./words.js";

const QUIET = 5 * 60_000;
const PLAIN = new Set(["text", "image", "voice", "video", "file"]);
const NEAR = 80;

/** The lines of the chat that is open, as its customer sees them. */
export class Chat {
  constructor(list) {
    this.list = list;
    this.lines = new Map();
    this.shown = new Map();
    this.fileUrl = () => "";
    this.names = { desk: "", customer: "" };
    // A picture that arrives late must not push the newest line out of view.
    list.addEventListener("load", () => this.pinned && this.toEnd(), true);
    list.addEventListener("scroll", () => (this.pinned = this.isAtEnd()), { passive: true });
    new ResizeObserver(() => this.pinned && this.toEnd()).observe(list);
    this.pinned = true;
    this.end = 0;
  }

  open(names, fileUrl) {
    Object.assign(this, { names, fileUrl, pinned: true, end: 0 });
    this.lines.clear();
    this.redraw();
  }

  take(lines, whole) {
    if (whole) {
      const kept = new Set(lines.map((line) => line.number));
      for (const number of [...this.lines.keys()]) if (!kept.has(number)) this.lines.delete(number);
    }
    for (const line of lines) this.lines.set(line.number, line);
    this.draw();
  }

  redraw() {
    this.shown.clear();
    this.list.replaceChildren();
    this.draw();
  }

  draw() {
    // The browser tells of scrolling a moment later; who just went up to read is left there.
    if (this.list.scrollTop < this.end - NEAR) this.pinned = this.isAtEnd();
    const rows = [];
    let before = null;
    for (const line of [...this.lines.values()].sort((a, b) => a.number - b.number)) {
      const quiet = !before || Date.parse(line.at) - Date.parse(before.at) > QUIET;
      if (quiet) rows.push(this.row(`t${line.number}`, line.at, () => el("li", { class: "pause" }, times.heading(line.at))));
      const first = quiet || before.author !== line.author || before.recalled;
      rows.push(this.row(`l${line.number}`, JSON.stringify([line, first]), () => this.drawn(line, first)));
      before = line;
    }
    if (!rows.length) rows.push(this.row("empty", "", () => el("li", { class: "empty" }, say("empty"))));
    this.place(rows);
    if (this.pinned) this.toEnd();
  }

  /** What is unchanged stays as it is, so that a voice note plays on. */
  row(key, state, draw) {
    const known = this.shown.get(key);
    if (known?.state === state) return known;
    const row = { key, state, element: draw() };
    this.shown.set(key, row);
    return row;
  }

  place(rows) {
    const wanted = new Set(rows.map((row) => row.element));
    for (const child of [...this.list.children]) if (!wanted.has(child)) child.remove();
    rows.forEach((row, index) => {
      if (this.list.children[index] !== row.element) this.list.insertBefore(row.element, this.list.children[index] ?? null);
    });
    const keys = new Set(rows.map((row) => row.key));
    for (const key of [...this.shown.keys()]) if (!keys.has(key)) this.shown.delete(key);
  }

  drawn(line, first) {
    const data = { testid: "line", author: line.author, kind: line.kind, number: line.number };
    if (line.recalled) {
      const words = { desk: "recalledDesk", customer: "recalledCustomer" }[line.author] ?? "recalledSystem";
      return el("li", { class: "system recalled", data: { ...data, recalled: "true" } }, el("span", {}, say(words)));
    }
    if (line.author === "system") return el("li", { class: "system", data }, el("span", {}, linked(line.text)));
    // The customer knows who they are; whoever listens to the page wants to hear it.
    const name = el("span", { class: first && line.author === "desk" ? "name" : "sr-only" }, this.names[line.author]);
    const time = el("time", { datetime: line.at, title: times.whole(line.at) }, times.clock(line.at));
    return el("li", { class: `line ${line.author}${first ? " first" : ""}`, data }, name, this.bubble(line), time);
  }

  bubble(line) {
    const kind = PLAIN.has(line.kind) || (!line.text && line.file) ? null : el("span", { class: "kind" }, knows(line.kind) ? say(line.kind) : line.kind);
    const file = line.file ? this.file(line) : null;
    const text = line.text ? el("span", { class: "text" }, linked(line.text)) : null;
    const lost = file || text ? null : el("span", { class: "kind" }, kindWords(line.kind));
    const bare = line.file && line.file.as === "image" && !line.text;
    return el("div", { class: bare ? "bubble bare" : "bubble" }, kind, file, text, lost);
  }

  file(line) {
    const url = this.fileUrl(line);
    const name = line.file.name || kindWords(line.kind);
    const link = () => fileLink(url, name, line.file.size);
    if (line.file.as === "file") return link();
    if (line.file.as === "image") {
      const image = el("img", { src: url, alt: name, onerror: () => opened.replaceWith(link()) });
      const opened = el("a", { href: url, target: "_blank", rel: "noopener", class: "picture" }, image);
      return opened;
    }
    // Phones record what no browser plays (AMR, SILK): then the file can still be saved.
    const player = el(line.file.as, { src: url, controls: true, preload: "metadata", "aria-label": name, onerror: () => player.replaceWith(link()) });
    return player;
  }

  isAtEnd() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR;
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.end = this.list.scrollTop;
  }
}

export function kindWords(kind) {
  const key = kind === "voice" ? "voiceNote" : kind;
  return knows(key) ? say(key) : kind;
}

function fileLink(url, name, size) {
  const words = el("span", { class: "file-name" }, el("span", {}, name), el("small", {}, sized(size)));
  return el("a", { class: "file", href: url, download: name, data: { testid: "file-link" } }, toolIcon("file"), words);
}

function sized(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}
