const who = document.body.dataset.who;

for (const link of document.querySelectorAll("a[data-language]")) {
  const target = new URL(location.href);
  target.searchParams.set("lang", link.dataset.language);
  link.href = target.href;
}

// Only the letters are exchanged, so that a half-written answer stays.
async function refresh() {
  const live = document.getElementById("live");
  if (!live) return;
  const response = await fetch(location.href);
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("live");
  if (fresh && fresh.innerHTML !== live.innerHTML) live.replaceWith(fresh);
}

if (who && document.getElementById("live")) {
  const events = new EventSource(`events?who=${encodeURIComponent(who)}`);
  events.addEventListener("mail", refresh);
  events.addEventListener("open", refresh);
  addEventListener("pagehide", () => events.close());
}
