import { locale, say } from "./words.js";

const DAY = 86_400_000;
const startOfDay = (at) => new Date(at).setHours(0, 0, 0, 0);

export function clock(iso) {
  return new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(iso));
}

/** The time of today, else the day. */
export function short(iso) {
  const days = Math.round((startOfDay(Date.now()) - startOfDay(iso)) / DAY);
  if (days <= 0) return clock(iso);
  if (days === 1) return say("yesterday");
  return new Intl.DateTimeFormat(locale(), { month: "short", day: "numeric" }).format(new Date(iso));
}

/** Seconds as 0:07 or 1:02:05. */
export function lasting(seconds) {
  const all = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor(all / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(all % 60)}` : `${minutes}:${two(all % 60)}`;
}

export function whole(iso) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(new Date(iso));
}

export function heading(iso) {
  const day = short(iso);
  return startOfDay(iso) === startOfDay(Date.now()) ? day : `${day} ${clock(iso)}`;
}
