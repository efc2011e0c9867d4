import { Chat, kindWords } from "./chat.js";
import { at, el, face } from "./dom.js";
import { Line, fileUrl, load, post, upload } from "./hub.js";
import { channelIcon, hueOf, toolIcon } from "./icons.js";
import { showPerformance } from "./performance.js";
import { Telephones, inShort } from "./telephones.js";
import * as times from "./times.js";
import { choose, current, label, say } from "./words.js";

const MAX_FILE = 50 * 1024 * 1024;
const WIDE = matchMedia("(min-width: 860px)");

const state = { channels: new Map(), others: [], performance: null, channel: "", person: "", heard: "" };
const drafts = new Map();
const seen = new Map();
const chat = new Chat(at("lines"));
const telephones = new Telephones(at("customer-phone"), at("desk"), (path, given) => taken(post(path, { channel: state.channel, ...given })));
const line = new Line({
  people({ channel, people }) {
    if (!state.channels.has(channel)) return;
    state.channels.get(channel).people = people;
    drawLists();
  },
  telephones({ channel, people, desk }) {
    if (!state.channels.has(channel)) return;
    Object.assign(state.channels.get(channel), { people, desk });
    drawLists();
    if (channel === state.channel) drawTelephones();
  },
  lines({ whole, lines }, asked) {
    if (asked.channel === state.channel && asked.person === state.person) chat.take(lines, whole);
  },
  performance(progress) {
    state.performance = progress;
    drawPerformance();
  },
  state(connected) {
    at("broken").hidden = connected;
  },
  lost: begin,
});

// — where the page is: #/channel/person —

const address = (channel, person) => `#/${encodeURIComponent(channel)}${person ? `/${encodeURIComponent(person)}` : ""}`;

function parts() {
  try {
    return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    return [];
  }
}

function go() {
  const [channel, person] = parts();
  const found = state.channels.get(channel) ?? state.channels.values().next().value;
  state.channel = found?.key ?? "";
  const known = found?.people.find((one) => one.id === person);
  // Side by side there is always a chat to see; on a phone it is opened.
  const chosen = known ?? (WIDE.matches ? found?.people[0] : undefined);
  document.body.dataset.view = known ? "chat" : "list";
  show(found, chosen);
  drawLists();
}

function show(channel, person) {
  at("stage").hidden = !person || Boolean(channel.desk);
  at("telephones").hidden = !person || !channel.desk;
  const heard = `${channel?.key ?? ""}\n${person?.id ?? ""}`;
  if (heard === state.heard && line.source) return;
  if (state.person) drafts.set(state.heard, at("text").value);
  state.heard = heard;
  state.person = person?.id ?? "";
  if (person && channel.desk) drawTelephones();
  if (!person || channel.desk) return line.open(null);
  const asked = { channel: channel.key, person: person.id };
  chat.open({ desk: channel.account, customer: person.name }, (one) => fileUrl(asked, one.number, one.at));
  at("text").value = drafts.get(heard) ?? "";
  grow();
  drawChat(channel, person);
  line.open(asked);
}

// — the lists —

const named = (channel) => channel.label[current()];
const nameOf = (key) => (state.channels.has(key) ? named(state.channels.get(key)) : key);
const seenKey = (channel, person) => `${channel}\n${person}`;

function isUnread(channel, person) {
  if (channel.desk) return person.handset.state === "rings";
  const key = seenKey(channel.key, person.id);
  const open = channel.key === state.channel && person.id === state.person && !document.hidden;
  // A hub that was started again counts from the beginning.
  if (open || !seen.has(key) || seen.get(key) > person.answered) seen.set(key, person.answered);
  return person.answered > seen.get(key);
}

function drawLists() {
  const channels = [...state.channels.values()];
  keep(at("channels"), channels.map((channel) => [channel.key, channelRow(channel)]));
  at("others-caption").hidden = !state.others.length;
  at("others").replaceChildren(...state.others.map(otherRow));
  const channel = state.channels.get(state.channel);
  at("people-title").textContent = channel ? say("peopleOf", { channel: named(channel) }) : say("noChannel");
  at("invent").hidden = !channel;
  const invent = say(channel?.desk ? "inventCaller" : "inventName");
  at("invent-name").required = !channel?.desk;
  at("invent-name").placeholder = invent;
  at("invent-name").setAttribute("aria-label", invent);
  keep(at("people"), (channel?.people ?? []).map((person) => [person.id, personRow(channel, person)]));
}

/** Exchanges rows without taking the keyboard's place away. */
function keep(list, rows) {
  const focused = list.contains(document.activeElement) ? document.activeElement.closest("li").dataset.key : null;
  list.replaceChildren(...rows.map(([key, link]) => el("li", { data: { key } }, link)));
  if (focused === null) return;
  for (const row of list.children) if (row.dataset.key === focused) row.querySelector("a").focus({ preventScroll: true });
}

function channelRow(channel) {
  const unread = channel.people.filter((person) => isUnread(channel, person)).length;
  const called = channel.desk?.some((one) => one.handset.state === "rings");
  const dot = unread || called ? newsDot(channel) : null;
  const here = channel.key === state.channel ? "true" : undefined;
  const data = { testid: "channel", channel: channel.key };
  return el("a", { href: address(channel.key), "aria-current": here, hue: hueOf(channel.icon), data }, badge(channel), el("span", { class: "label" }, named(channel)), dot);
}

function otherRow(other) {
  const data = { testid: "other", channel: other.key };
  const link = el("a", { href: other.path, target: "_blank", rel: "noopener", hue: hueOf(other.icon), data }, badge(other), el("span", { class: "label" }, named(other)), toolIcon("out"));
  return el("li", {}, link);
}

const badge = (channel) => el("span", { class: "badge", hue: hueOf(channel.icon) }, channelIcon(channel.icon));

function personRow(channel, person) {
  const here = person.id === state.person;
  const unread = isUnread(channel, person);
  const last = person.last ?? person.last_call;
  const data = { testid: "person", person: person.id, unread: unread ? "true" : "false" };
  const top = el("span", { class: "row-top" }, el("strong", {}, person.name), last ? el("time", { datetime: last.at }, times.short(last.at)) : null);
  const below = el("span", { class: "row-below" }, el("span", {}, preview(person)), unread ? newsDot(channel) : null);
  return el("a", { href: address(channel.key, person.id), "aria-current": here ? "true" : undefined, data }, face(person.name), el("span", { class: "row-words" }, top, below));
}

const newsDot = (channel) => el("span", { class: "dot", "aria-label": say(channel.desk ? "rings" : "unread"), role: "img" });

function preview(person) {
  const { id, last } = person;
  if (person.handset) return inShort(person);
  if (!last) return id;
  if (last.recalled) return say({ desk: "recalledDesk", customer: "recalledCustomer" }[last.author] ?? "recalledSystem");
  const words = last.text || `[${kindWords(last.kind)}]`;
  return last.author === "customer" ? say("you") + words : words;
}

// — the telephones —

function drawTelephones() {
  const channel = state.channels.get(state.channel);
  const person = channel?.people.find((one) => one.id === state.person);
  if (!person) return;
  at("telephones").style.setProperty("--hue", hueOf(channel.icon));
  at("telephones").setAttribute("aria-label", say("onTelephone", { name: person.name }));
  telephones.draw(channel, person, address(channel.key));
}

// — the chat —

function drawChat(channel, person) {
  const phone = at("phone");
  phone.style.setProperty("--hue", hueOf(channel.icon));
  at("stage").setAttribute("aria-label", say("asPerson", { name: person.name, channel: named(channel) }));
  at("who-icon").replaceChildren(channelIcon(channel.icon));
  at("who-desk").textContent = channel.account;
  at("who-person").textContent = say("asPerson", { name: person.name, channel: named(channel) });
  document.querySelector(".back").setAttribute("href", address(channel.key));
  const can = (kind) => channel.kinds.includes(kind);
  at("attach").hidden = !["image", "video", "file"].some(can);
  at("file").accept = can("file") ? "" : ["image", "video"].filter(can).map((kind) => `${kind}/*`).join(",");
  at("voice").hidden = !can("voice");
  at("text").placeholder = say("textAs", { name: person.name });
  at("actions").hidden = !channel.actions.length;
  at("actions").replaceChildren(...channel.actions.map((action) => actionButton(action)));
}

function actionButton(action) {
  const data = { testid: "action", action: action.key };
  return el("button", { type: "button", class: "chip", data, onclick: () => speak({ kind: action.key }) }, action[current()]);
}

const here = () => ({ channel: state.channel, person: state.person });

async function speak(given) {
  chat.toEnd();
  chat.pinned = true;
  return taken(post("say", { ...here(), ...given }));
}

/** Whether the hub took it; says so where it did not. */
async function taken(asked) {
  try {
    const answer = await asked;
    if (answer.ok) return true;
    if (answer.status === 409) tell(say("notNow"));
    else tell(say(answer.status === 422 || answer.status === 400 ? "notCarried" : answer.status === 413 ? "tooLarge" : "notSent"));
  } catch {
    tell(say("notSent"));
  }
  return false;
}

let telling = 0;
function tell(words) {
  clearTimeout(telling);
  at("toast").textContent = words;
  at("toast").hidden = false;
  telling = setTimeout(() => (at("toast").hidden = true), 6000);
}

at("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = at("text");
  const text = field.value.trim();
  if (!text) return field.focus();
  const from = state.heard;
  field.value = "";
  grow();
  if (await speak({ kind: "text", text })) return;
  // Back it goes, to the chat that it was written in.
  if (state.heard === from && !field.value) field.value = text;
  else if (state.heard !== from) drafts.set(from, text);
  grow();
});

at("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  at("composer").requestSubmit();
});

at("text").addEventListener("input", grow);

function grow() {
  const field = at("text");
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, 132)}px`;
}

at("file").addEventListener("change", async () => {
  const [file] = at("file").files;
  at("file").value = "";
  if (file) await sendFile(file);
});

at("text").addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (!file || at("attach").hidden) return;
  event.preventDefault();
  sendFile(file);
});

async function sendFile(file) {
  if (file.size > MAX_FILE) return tell(say("tooLarge"));
  chat.toEnd();
  chat.pinned = true;
  return taken(upload(here(), file));
}

at("voice").addEventListener("click", () => speak({ kind: "voice" }));

at("invent").addEventListener("submit", async (event) => {
  event.preventDefault();
  const channel = state.channels.get(state.channel);
  const name = at("invent-name").value.trim() || (channel?.desk ? say("somebodyNew") : "");
  if (!name || !channel) return;
  const asked = post("people", { channel: channel.key, name });
  if (!(await taken(asked))) return;
  const person = await (await asked).json();
  if (!channel.people.some((one) => one.id === person.id)) channel.people = [...channel.people, person];
  at("invent-name").value = "";
  location.hash = address(channel.key, person.id);
  if (WIDE.matches) (channel.desk ? telephones : at("text")).focus();
});

// — the performance, the language —

function drawPerformance() {
  if (state.performance) showPerformance(state.performance, nameOf);
}

at("perform").addEventListener("click", () => taken(post("performance", { do: at("perform").dataset.do })));

at("language").addEventListener("click", () => {
  choose(current() === "zh" ? "en" : "zh");
  speakLanguage();
});

function speakLanguage() {
  label(document);
  document.title = `omnihub · ${say("title")} · ${say("demo")}`;
  at("language").textContent = current() === "zh" ? "English" : "中文";
  at("language").lang = current() === "zh" ? "en" : "zh-CN";
  drawLists();
  drawPerformance();
  chat.redraw();
  const channel = state.channels.get(state.channel);
  const person = channel?.people.find((one) => one.id === state.person);
  if (channel?.desk) drawTelephones();
  else if (person) drawChat(channel, person);
}

// — beginning, and beginning again —

async function begin() {
  try {
    const { channels, telephones: called, others, performance } = await load();
    state.channels = new Map([...channels, ...called].map((channel) => [channel.key, channel]));
    Object.assign(state, { others, performance, heard: "" });
    at("broken").hidden = true;
  } catch {
    at("broken").hidden = false;
    setTimeout(begin, 1500);
    return;
  }
  drawPerformance();
  go();
}

at("attach").append(toolIcon("attach"));
at("voice").append(toolIcon("voice"));
document.querySelector(".send").append(toolIcon("send"));
document.querySelector(".back").append(toolIcon("back"));
addEventListener("hashchange", go);
WIDE.addEventListener("change", go);
document.addEventListener("visibilitychange", drawLists);
addEventListener("pagehide", () => line.close());
addEventListener("pageshow", (event) => event.persisted && begin());
speakLanguage();
begin();
