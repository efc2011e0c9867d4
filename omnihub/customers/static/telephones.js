import { el, face } from "./dom.js";
import { toolIcon } from "./icons.js";
import * as times from "./times.js";
import { current, say } from "./words.js";

const KEYS = {
  customer: { rings: ["answer", "decline"], dialling: ["hang_up"], queued: ["hang_up"], talking: ["hang_up"], held: ["hang_up"] },
  desk: { rings: ["answer", "decline"], dialling: ["hang_up"], talking: ["hold", "transfer", "hang_up"], held: ["resume", "transfer", "hang_up"] },
};
const SECOND = 1000;

/** The telephone of one customer, and those of the desk. */
export class Telephones {
  /** `ask(path, given)` tells the hub. */
  constructor(customer, desk, ask) {
    Object.assign(this, { customer, desk, ask, line: "", anonymous: false, drawn: new Map() });
    setInterval(() => this.tick(), SECOND);
  }

  draw(channel, person, back) {
    const words = (one) => JSON.stringify([one, person.id, channel.lines, current()]);
    this.renew(this.customer, words(person), () => this.customerPhone(channel, person, back));
    const cards = channel.desk.map((one) => this.card(one));
    const hint = this.drawn.get("hint") ?? el("p", { class: "hint" });
    this.drawn.set("hint", hint).get("hint").textContent = say("telephoneHint");
    const wanted = [...cards, hint];
    if (wanted.some((card, index) => this.desk.children[index] !== card)) this.desk.replaceChildren(...wanted);
    for (const [index, one] of channel.desk.entries()) this.renew(cards[index], words([one, free(channel, one)]), () => this.deskPhone(channel, one));
    this.tick();
  }

  card({ extension }) {
    if (!this.drawn.has(extension)) this.drawn.set(extension, el("article", { class: "handset", data: { testid: "desk-phone", extension } }));
    return this.drawn.get(extension);
  }

  /** What is unchanged stays as it is; a key that was pressed hands the keyboard on to the next. */
  renew(place, words, parts) {
    if (place.words === words) return;
    place.words = words;
    const held = place.contains(document.activeElement);
    const { state, children } = parts();
    place.dataset.state = state;
    place.replaceChildren(...children.filter(Boolean));
    if (held) (place.querySelector(".keys button") ?? place.querySelector("button, a"))?.focus();
  }

  focus() {
    this.customer.querySelector(".keys button")?.focus();
  }

  customerPhone(channel, person, back) {
    const { handset } = person;
    const top = el(
      "header",
      { class: "who" },
      el("a", { class: "back", href: back, "aria-label": say("back"), title: say("back") }, toolIcon("back")),
      face(person.name),
      el("div", { class: "names" }, el("strong", {}, person.name), el("span", {}, person.id)),
      el("span", { class: "demo" }, say("demo")),
    );
    const words = handset.state === "idle" && person.last_call ? ended(person.last_call) : state("customer", handset);
    const keys = handset.state === "idle" ? this.dialling(channel, person) : this.keys("customer", handset, person.id, []);
    return { state: handset.state, children: [top, screen(handset, words, handset.other && channel.account), keys] };
  }

  deskPhone(channel, { extension, handset }) {
    const others = free(channel, { extension });
    const title = el("header", { class: "row" }, toolIcon("desk"), el("h3", {}, say("deskPhone", { extension })));
    const who = handset.state === "idle" ? "" : [handset.other_name, handset.other || say("withheld")].filter(Boolean).join(" · ");
    const words = handset.state === "rings" && handset.placed ? say("desk_placed") : state("desk", handset);
    return { state: handset.state, children: [title, screen(handset, words, who, handset.line), this.keys("desk", handset, extension, others)] };
  }

  /** Which number to call, and whether to show one's own. */
  dialling(channel, person) {
    const chosen = channel.lines.some((one) => one.number === this.line) ? this.line : channel.lines[0]?.number;
    const options = channel.lines.map((one) => el("option", { value: one.number, selected: one.number === chosen }, one[current()]));
    const lines = el("select", { "aria-label": say("calledLine"), data: { testid: "called-line" }, onchange: () => (this.line = lines.value) }, ...options);
    const hide = el("input", { type: "checkbox", checked: this.anonymous, data: { testid: "anonymous" }, onchange: () => (this.anonymous = hide.checked) });
    const submit = (event) => {
      event.preventDefault();
      return this.ask("ring", { person: person.id, line: lines.value, anonymous: hide.checked ? "yes" : "" });
    };
    const dial = el("div", { class: "keys" }, el("button", { class: "button answer", data: { testid: "ring" } }, say("ringDesk")));
    return el("form", { class: "dialling", onsubmit: submit }, lines, el("label", {}, hide, say("anonymous")), dial);
  }

  keys(whose, handset, telephone, others) {
    const named = (KEYS[whose][handset.state] ?? []).flatMap((key) => (key === "transfer" ? others.map((to) => [key, to]) : [[key, ""]]));
    const made = named.map(([key, to]) => {
      const press = async (event) => {
        // One that is disabled would lose the keyboard before the next key is there.
        const pressed = event.currentTarget;
        if (pressed.ariaBusy) return;
        pressed.ariaBusy = "true";
        await this.ask("press", { telephone, key, to });
        pressed.ariaBusy = null;
      };
      return el("button", { type: "button", class: `button ${key}`, data: { testid: `key-${key}`, to }, onclick: press }, say(`key_${key}`, { to }));
    });
    return el("div", { class: "keys" }, ...made);
  }

  tick() {
    for (const place of [this.customer, ...this.desk.children]) {
      const time = place.querySelector("time[data-since]");
      if (time) time.textContent = times.lasting((Date.now() - Date.parse(time.dataset.since)) / SECOND);
    }
  }
}

const free = (channel, { extension }) =>
  channel.desk.filter((one) => one.extension !== extension && one.handset.state === "idle").map((one) => one.extension);

const state = (whose, handset) => say(`${whose}_${handset.state}`, { position: handset.position || 1 });

function screen(handset, words, who, line) {
  const time = handset.since ? el("time", { data: { since: handset.since }, "aria-hidden": "true" }) : null;
  const about = [who, line && `→ ${line}`].filter(Boolean).join(" ");
  return el(
    "div",
    { class: "screen", data: { testid: "handset-screen" } },
    el("p", { class: "words", role: "status" }, words),
    about ? el("p", { class: "other", data: { testid: "handset-other" } }, about) : null,
    time,
  );
}

function ended({ ending, placed, seconds }) {
  const key = placed && ending === "missed" ? "ended_placed_missed" : `ended_${ending}`;
  return say(key, { time: times.lasting(seconds) });
}

/** In the list: what goes on, else how the last call ended, else the number. */
export function inShort({ id, handset, last_call: last }) {
  if (handset.state !== "idle") return state("customer", handset);
  return last ? ended(last) : id;
}
