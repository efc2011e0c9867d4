import type { ReplyWindow } from '@/api'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const SOON_HOURS = 2

/** none: nothing limits us. waiting: the customer has to write first. gone: the customer left the channel. */
export type WindowState = 'none' | 'open' | 'soon' | 'expired' | 'used' | 'waiting' | 'gone'

interface Bounded {
  window?: ReplyWindow | null
  can_reply: boolean
}

/** The server's word stands, but the clock goes on by itself. */
export function windowState(way: Bounded, now: number): WindowState {
  const window = way.window
  if (!window) return 'none'
  if (window.allowed === 0) return 'gone'
  if (!window.until) return 'waiting'
  const rest = Date.parse(window.until) - now
  if (rest <= 0) return 'expired'
  if (window.left <= 0) return 'used'
  if (!way.can_reply) return 'gone'
  return rest < SOON_HOURS * HOUR || window.left <= 1 ? 'soon' : 'open'
}

export const isClosed = (state: WindowState): boolean => ['expired', 'used', 'waiting', 'gone'].includes(state)

export type RestUnit = 'second' | 'minute' | 'hour'

/** What is left in one unit: hours down to two, then minutes, and seconds at the very end; never rounded up. */
export function rest(until: string, now: number): { value: number; unit: RestUnit } {
  const left = Math.max(0, Date.parse(until) - now)
  if (left >= SOON_HOURS * HOUR) return { value: Math.floor(left / HOUR), unit: 'hour' }
  if (left >= 2 * MINUTE) return { value: Math.floor(left / MINUTE), unit: 'minute' }
  return { value: Math.floor(left / 1000), unit: 'second' }
}

export function restWords(until: string, now: number, locale: string): string {
  const { value, unit } = rest(until, now)
  // "12 h" is what people write; the Chinese short forms are the long ones.
  const unitDisplay = locale.startsWith('zh') ? 'long' : 'short'
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay }).format(value)
}
