// SHA-256 in plain script: SubtleCrypto is missing on plain http, and awaiting it for every number is slower.
// Returns the number whose hash with the salt is the challenge, or -1.
function search(salt, challenge, from, to) {
  const K = [], H = [];
  for (let n = 2; K.length < 64; n++) {
    let prime = 1;
    for (let d = 2; d * d <= n; d++) if (n % d == 0) prime = 0;
    if (prime) {
      if (H.length < 8) H.push(Math.sqrt(n) * 2 ** 32 | 0);
      K.push(Math.cbrt(n) * 2 ** 32 | 0);
    }
  }
  const w = new Int32Array(64), bytes = new Uint8Array(salt.length + 80), wanted = parseInt(challenge.slice(0, 8), 16) | 0;
  for (let i = 0; i < salt.length; i++) bytes[i] = salt.charCodeAt(i);
  const turn = (x, n) => x >>> n | x << 32 - n;
  for (let number = from; number <= to; number++) {
    const digits = String(number), size = salt.length + digits.length, blocks = size + 72 >> 6;
    bytes.fill(0, salt.length);
    for (let i = 0; i < digits.length; i++) bytes[salt.length + i] = digits.charCodeAt(i);
    bytes[size] = 128;
    let h = H.slice();
    for (let block = 0; block < blocks; block++) {
      for (let i = 0, at = block * 64; i < 16; i++, at += 4) w[i] = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
      if (block == blocks - 1) w[15] = size * 8;
      for (let i = 16; i < 64; i++) {
        const x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (turn(x, 7) ^ turn(x, 18) ^ x >>> 3) + (turn(y, 17) ^ turn(y, 19) ^ y >>> 10);
      }
      let [a, b, c, d, e, f, g, k] = h;
      for (let i = 0; i < 64; i++) {
        const t = k + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + K[i] + w[i] | 0;
        const u = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c) | 0;
        k = g; g = f; f = e; e = d + t | 0; d = c; c = b; b = a; a = t + u | 0;
      }
      h = [a, b, c, d, e, f, g, k].map((x, i) => x + h[i] | 0);
    }
    if (h[0] == wanted && h.map(x => (x >>> 0).toString(16).padStart(8, 0)).join("") == challenge) return number;
  }
  return -1;
}

async function slices(salt, challenge, most) {
  for (let from = 0; from <= most; from += 2000) {
    const found = search(salt, challenge, from, Math.min(most, from + 1999));
    if (found >= 0) return found;
    await new Promise(next => setTimeout(next));
  }
  return -1;
}

function solve(c) {
  return new Promise((found, failed) => {
    const code = search + ";onmessage=e=>postMessage(search(...e.data))";
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    worker.onmessage = e => { worker.terminate(); found(e.data); };
    worker.onerror = failed;
    worker.postMessage([c.salt, c.challenge, 0, c.maxNumber]);
  })
    // The website's own policy may forbid workers; then in slices, between which the page stays alive.
    .catch(() => slices(c.salt, c.challenge, c.maxNumber))
    .then(number => btoa(JSON.stringify({ ...c, number })));
}

// `load` fetches a fresh definition; `restart` shows the form anew.
function attach(root, data, url, load, restart) {
  const form = root.querySelector("form"), words = data.texts, button = form.querySelector(".oh-send");
  const alert = form.querySelector(".oh-alert"), state = form.querySelector(".oh-state");
  const fields = [...form.querySelectorAll(".oh-field")], inputsOf = field => [...field.querySelectorAll("input,textarea,select")];
  const say = (word, values) => Object.entries(values || {}).reduce((text, [k, v]) => text.replace(`{${k}}`, v), words[word]);
  let challenge = data.challenge, proof, shownAt = Date.now();

  form.noValidate = true;
  const prove = () => challenge && (proof = proof || solve(challenge));
  form.addEventListener("focusin", prove, { once: true });

  function mark(field, text) {
    const error = field.querySelector(".oh-error");
    error.textContent = text || "";
    error.hidden = !text;
    inputsOf(field).forEach(input => text ? input.setAttribute("aria-invalid", true) : input.removeAttribute("aria-invalid"));
  }

  function fault(field) {
    const type = field.dataset.type, inputs = inputsOf(field), input = inputs[0];
    const missing = /^(radio|check)/.test(type) ? !inputs.some(i => i.checked) : !input.value.trim();
    if (missing) {
      const word = { file: "required_file", checkbox: "required_check", radio: "required_choice", checkboxes: "required_choice", select: "required_choice" }[type];
      return "required" in field.dataset ? say(word || "required") : input.validity.badInput ? say(type) : "";
    }
    if (type == "file") {
      const files = [...input.files], big = files.find(f => f.size > data.max_file_mb * 1e6);
      if (files.length > data.max_files) return say("file_count", { limit: data.max_files, count: files.length });
      return big ? say("file_size", { name: big.name, limit: data.max_file_mb }) : "";
    }
    return input.checkValidity() ? "" : words[type] || input.validationMessage;
  }

  // Marks what is wrong, and moves there.
  function show(wrong, message) {
    let first;
    fields.forEach(field => {
      const text = wrong[field.dataset.key];
      mark(field, text);
      if (text) first = first || inputsOf(field)[0];
    });
    alert.textContent = message || "";
    alert.hidden = !message;
    if (message) (first || alert).focus();
  }

  // While typing, not on leaving the field: a text that vanishes as the mouse goes down moves the button away.
  form.addEventListener("input", e => {
    const field = e.target.closest(".oh-field");
    if (field && !field.querySelector(".oh-error").hidden) mark(field, fault(field));
  });

  function busy(text) {
    button.disabled = !!text;
    state.textContent = text || "";
  }

  function post(body) {
    return new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      request.open("POST", url);
      request.setRequestHeader("Accept", "application/json");
      request.setRequestHeader("Idempotency-Key", body.get("_key"));
      request.upload.onprogress = e => e.total > 1e5 && busy(say("progress", { percent: Math.round(100 * e.loaded / e.total) }));
      request.onload = () => done(request);
      request.onerror = failed;
      request.send(body);
    });
  }

  function thank(answer) {
    const box = document.createElement("div");
    box.className = "oh-thanks";
    box.tabIndex = -1;
    box.setAttribute("role", "status");
    const line = text => box.appendChild(Object.assign(document.createElement("p"), { textContent: text }));
    line(answer.thank_you);
    line(say("reference", { reference: answer.reference })).className = "oh-note";
    const again = Object.assign(document.createElement("a"), { href: "", textContent: words.another });
    again.onclick = e => { e.preventDefault(); restart(box); };
    line("").appendChild(again);
    form.replaceWith(box);
    box.focus();
  }

  form.addEventListener("submit", async e => {
    e.preventDefault();
    if (button.disabled) return;
    const wrong = {};
    fields.forEach(field => {
      const text = fault(field);
      if (text) wrong[field.dataset.key] = text;
    });
    if (Object.keys(wrong).length) return show(wrong, words.look_again);
    show({});
    try {
      if (challenge) {
        busy(words.checking);
        if (Date.now() - shownAt > 12e5) {
          challenge = (await load()).challenge;
          shownAt = Date.now();
          proof = 0;
        }
        prove();
      }
      const body = new FormData(form);
      if (challenge) body.append("_proof", await proof);
      busy(words.sending);
      const answer = await post(body);
      const said = JSON.parse(answer.responseText || "{}");
      if (answer.status < 300 && said.ok) return thank(said);
      const word = { 401: "expired", 413: "too_large", 422: "look_again", 429: "too_many" }[answer.status];
      show(said.fields || {}, said.fields && said.detail || words[word || "failed"]);
    } catch {
      show({}, words.failed);
    }
    busy();
  });
}
