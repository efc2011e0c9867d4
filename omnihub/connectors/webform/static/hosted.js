const data = JSON.parse(document.getElementById("omnihub-data").textContent);
const here = location.href.split(/[?#]/)[0].replace(/\/$/, "");
const load = () => fetch(`${here}/definition?lang=${data.language}`).then(answer => answer.json());
attach(document, data, here, load, () => location.reload());
