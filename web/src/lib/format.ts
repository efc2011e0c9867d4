const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const STEPS: readonly [limit: number, unit: Intl.RelativeTimeFormatUnit, size: number][] = [
  [HOUR, 'minute', MINUTE],
  [DAY, 'hour', HOUR],
  [7 * DAY, 'day', DAY],
]

const startOfDay = (at: number): number => new Date(at).setHours(0, 0, 0, 0)

/** "5 min. ago", "in 2 hr."; a date once it is more than a week away. `justNow` is used below a minute. */
export function relativeTime(iso: string, now: number, locale: string, justNow: string): string {
  const at = Date.parse(iso)
  if (Number.isNaN(at)) return ''
  const difference = at - now
  const distance = Math.abs(difference)
  if (distance < MINUTE) return justNow
  for (const [limit, unit, size] of STEPS) {
    if (distance < limit) {
      const words = new Intl.RelativeTimeFormat(locale, { style: 'short', numeric: 'always' })
      return words.format(Math.trunc(difference / size), unit)
    }
  }
  return shortDate(at, now, locale)
}

function shortDate(at: number, now: number, locale: string): string {
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear()
  return new Intl.DateTimeFormat(locale, {
    month: 'short',
    day: 'numeric',
    ...(sameYear ? {} : { year: 'numeric' }),
  }).format(at)
}

export function absoluteTime(iso: string | null | undefined, locale: string): string {
  const at = Date.parse(iso ?? '')
  if (Number.isNaN(at)) return ''
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }).format(at)
}

export function minuteTime(iso: string | null | undefined, locale: string): string {
  const at = Date.parse(iso ?? '')
  if (Number.isNaN(at)) return ''
  return new Intl.DateTimeFormat(locale, { weekday: 'short', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at)
}

export function clockTime(iso: string, locale: string): string {
  const at = Date.parse(iso)
  if (Number.isNaN(at)) return ''
  return new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at)
}

/** A key by which messages of one local day group together. */
export const dayKey = (iso: string): string => String(startOfDay(Date.parse(iso)))

export function dayLabel(iso: string, now: number, locale: string): string {
  const at = Date.parse(iso)
  const days = Math.round((startOfDay(at) - startOfDay(now)) / DAY)
  if (days === 0 || days === -1) {
    const word = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(days, 'day')
    return word.charAt(0).toLocaleUpperCase(locale) + word.slice(1)
  }
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear()
  return new Intl.DateTimeFormat(locale, {
    weekday: 'long',
    month: 'long',
    day: 'numeric',
    ...(sameYear ? {} : { year: 'numeric' }),
  }).format(at)
}

/** 90 → "2 min", 7200 → "2 hr" in the reader's language; `seconds` of any size. */
export function duration(seconds: number, locale: string): string {
  const steps: readonly [number, string, number][] = [
    [60, 'second', 1],
    [3600, 'minute', 60],
    [86_400, 'hour', 3600],
    [Infinity, 'day', 86_400],
  ]
  const [, unit, size] = steps.find(([limit]) => seconds < limit) ?? steps[3]!
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short' }).format(Math.round(seconds / size))
}

export function fileSize(bytes: number, locale: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte']
  const step = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log(bytes) / Math.log(1024)) : 0)
  const value = bytes / 1024 ** step
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: units[step],
    unitDisplay: 'narrow',
    maximumFractionDigits: step > 0 && value < 10 ? 1 : 0,
  }).format(value)
}

/** One or two letters for an avatar; the first character alone where the name is Chinese, the last digits of a number. */
export function initials(name: string): string {
  // Of a number its end, which tells more than its beginning.
  if (/^\+?[\d\s()/-]{3,}$/.test(name.trim())) return name.replace(/\D/g, '').slice(-2)
  const words = name.trim().split(/[\s._@-]+/u).filter(Boolean)
  const first = words[0]
  if (!first) return '?'
  const head = [...first][0]!
  if (/\p{Script=Han}/u.test(head)) return head
  const second = words[1] ? [...words[1]][0]! : ''
  return (head + second).toUpperCase()
}

/** A hue of its own for every name, the same on every machine. */
export function hueOf(text: string): number {
  let hash = 0
  for (const letter of text) hash = (hash * 31 + letter.codePointAt(0)!) >>> 0
  return hash % 360
}

/** `email:a@b.c` → `a@b.c`; the part after the last colon, as the server reads a handle. Colons inside come encoded. */
export function handleValue(key: string): string {
  const value = key.slice(key.lastIndexOf(':') + 1)
  return key.startsWith('email:') ? value : value.replace(/%3A/gi, ':').replaceAll('%25', '%')
}
export const handleChannel = (key: string): string => key.split(':', 1)[0] ?? ''
