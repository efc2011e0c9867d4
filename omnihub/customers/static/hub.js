/** What the page asks of the hub, and what it is told by it. */
const AGAIN = 1500;

export async function load() {
  const response = await fetch("channels", { cache: "no-store" });
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

export async function post(path, given) {
  return send(path, JSON.stringify(given), "application/json");
}

export async function upload(chat, file) {
  const query = new URLSearchParams({ ...chat, name: file.name });
  return send(`send?${query}`, file, file.type || "application/octet-stream");
}

async function send(path, body, type) {
  return fetch(path, { method: "POST", body, headers: { "Content-Type": type, "X-Customers-Page": "1" } });
}

export const fileUrl = (chat, number, at) => `file?${new URLSearchParams({ ...chat, number, at })}`;

/** One line to the hub at a time; it is made anew when the hub comes back. */
export class Line {
  constructor(told) {
    this.told = told;
    this.source = null;
    this.timer = 0;
  }

  open(chat) {
    this.close();
    const source = new EventSource(chat ? `events?${new URLSearchParams(chat)}` : "events");
    this.source = source;
    for (const name of ["people", "telephones", "lines", "performance"]) {
      source.addEventListener(name, (event) => this.told[name](JSON.parse(event.data), chat));
    }
    source.addEventListener("open", () => this.told.state(true));
    source.addEventListener("error", () => {
      this.told.state(false);
      // A hub that answers with an error ends the line for good: it knows this chat no longer.
      if (source.readyState === EventSource.CLOSED) this.timer = setTimeout(() => this.told.lost(), AGAIN);
    });
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}
