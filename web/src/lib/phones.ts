import type { CallPolicy, Channel, Message } from '@/api/types'
import { can } from './capabilities'
import { handleKind } from './handles'
import { handleValue } from './format'

/** A channel of calls: it says so, or bears their sign and carries no text. */
export const isPhone = (channel: Pick<Channel, 'icon' | 'capabilities'>): boolean =>
  can(channel.capabilities, 'calls') || (channel.icon === 'phone' && !can(channel.capabilities, 'send'))

/** The number behind a handle such as `phone:+4930…`; empty for other handles. */
export const numberOfHandle = (key: string): string => (handleKind(key) === 'phone' && /^\+\d{4,}$/.test(handleValue(key)) ? handleValue(key) : '')

/** The number that a call's customer can be reached at; empty for withheld and internal ones. */
export const numberOfCaller = (message: Message): string => numberOfHandle(message.sender.key)

const REASONS: readonly [RegExp, string][] = [
  [/\bbusy\b/, 'busy'],
  [/not picked up/, 'away'],
  [/cannot be reached|no such telephone|not registered/, 'gone'],
]

/** The key of our own words for why the agent's telephone was not picked up; empty for what only a line can say. */
export const reasonOf = (words: string): string => REASONS.find(([shape]) => shape.test(words))?.[1] ?? ''

/** A name, and not the number once more. */
export function isNamed(name: string, number: string): boolean {
  if (!name.trim()) return false
  if (/[^\d\s()+./-]/.test(name)) return true
  // Written as within the country, it begins with a zero.
  const digits = (text: string): string => text.replace(/\D/g, '').replace(/^0+/, '')
  return digits(number) !== '' && !digits(number).endsWith(digits(name))
}

/** The ways to sum up a call that there are words for. */
export const DISPOSITIONS: readonly string[] = ['resolved', 'follow_up', 'information', 'complaint', 'order', 'wrong_number', 'nuisance', 'other']

export const freshCallPolicy = (): CallPolicy => ({
  missed: 'join',
  repeat_minutes: 240,
  call_back_minutes: 60,
  opening_hours: '',
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC',
  recording_days: 0,
  dispositions: [...DISPOSITIONS],
})

/** Each once, without blanks, as the server takes them. */
export const tidyDispositions = (list: readonly string[]): string[] => [...new Set(list.map((one) => one.trim().slice(0, 60)).filter(Boolean))].slice(0, 30)

export function timeZones(): string[] {
  const known = Intl.supportedValuesOf('timeZone')
  return known.includes('UTC') ? known : ['UTC', ...known]
}
