const script = document.currentScript, { target, lang } = script.dataset, base = script.src.replace(/\/embed\.js.*$/, "");
const load = () => fetch(base + "/definition" + (lang ? "?lang=" + encodeURIComponent(lang) : ""), { credentials: "omit" }).then(answer => {
  if (!answer.ok) throw answer;
  return answer.json();
});
const host = document.createElement("div");

async function render() {
  const shadow = host.shadowRoot || host.attachShadow({ mode: "open" });
  try {
    const data = await load();
    host.lang = data.language;
    const style = new CSSStyleSheet();
    style.replaceSync(":host{display:block}" + data.css);
    // Unlike a style element, an adopted sheet is not stopped by the website's policy.
    shadow.adoptedStyleSheets = [style];
    for (const name in data.accent) host.style.setProperty(name, data.accent[name]);
    shadow.innerHTML = data.html;
    shadow.querySelector("[name=_page]").value = location.href.split("#")[0];
    attach(shadow, data, base, load, render);
  } catch {
    const link = Object.assign(document.createElement("a"), { href: base, textContent: "Open the form / 打开表单" });
    shadow.replaceChildren(link);
  }
}

function place() {
  const spot = target && document.querySelector(target);
  spot ? spot.append(host) : script.after(host);
  render();
}
// An async script may run before the place that it names is there.
target && document.readyState == "loading" ? addEventListener("DOMContentLoaded", place) : place();
