import { at } from "./dom.js";
import { say } from "./words.js";

/** The button that lets customers write by themselves, and how far they are. */
export function showPerformance(progress, channelName) {
  const writing = progress.state === "writing";
  at("performance-words").textContent = words(progress, channelName);
  const button = at("perform");
  button.textContent = say(writing ? "stop" : progress.state === "waiting" ? "performAgain" : "perform");
  button.dataset.do = writing ? "stop" : "start";
  button.classList.toggle("soft", writing);
  const bar = at("performance-progress");
  bar.hidden = !writing;
  bar.max = Math.max(1, progress.total);
  bar.value = progress.said;
  bar.setAttribute("aria-label", say("performance"));
}

function words({ state, said, total, waiting, speaker }, channelName) {
  if (state === "idle") return say("performHint");
  if (state === "waiting") return waiting === 1 ? say("waitingOne") : say("waiting", { count: waiting });
  if (!speaker) return say("beginning");
  return say("writing", { said, total, name: speaker.name, channel: channelName(speaker.channel) });
}
