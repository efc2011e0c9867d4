import type { HubEvent, Message, TimelineItem } from '@/api'
import { messageWithNews, newsOf } from './calls'
import { dayKey } from './format'

export const itemId = (item: TimelineItem): string => (item.kind === 'message' ? item.message.id : item.event.id)
export const itemAt = (item: TimelineItem): string => (item.kind === 'message' ? item.message.at : item.event.at)

const byTime = (a: TimelineItem, b: TimelineItem): number =>
  Date.parse(itemAt(a)) - Date.parse(itemAt(b)) || (itemId(a) < itemId(b) ? -1 : 1)

function keyed(items: readonly TimelineItem[]): Map<string, TimelineItem> {
  return new Map(items.map((item) => [itemId(item), item]))
}

/** An older page in front of what is on screen. */
export function withOlder(items: readonly TimelineItem[], older: readonly TimelineItem[]): TimelineItem[] {
  return [...keyed([...older, ...items]).values()].sort(byTime)
}

/**
 * The newest page again: whatever it covers in time is replaced by it, so that items that left the ticket
 * disappear; older pages stay.
 */
export function withNewest(
  items: readonly TimelineItem[],
  page: readonly TimelineItem[],
  pageIsAll: boolean,
): TimelineItem[] {
  const first = page[0]
  if (pageIsAll || !first) return [...page].sort(byTime)
  const edge = Date.parse(itemAt(first))
  const kept = items.filter((item) => Date.parse(itemAt(item)) < edge)
  return [...keyed([...kept, ...page]).values()].sort(byTime)
}

export function withMessage(items: readonly TimelineItem[], message: Message): TimelineItem[] {
  return withOlder(items, []).filter((item) => itemId(item) !== message.id).concat({ kind: 'message', message }).sort(byTime)
}

/** What a live event tells of a call, on its card at once; the page that is read again afterwards knows the rest. */
export function withCallNews(items: readonly TimelineItem[], told: readonly HubEvent[]): TimelineItem[] {
  return told.reduce<TimelineItem[]>((shown, event) => {
    const news = newsOf(event)
    return news ? shown.map((item) => (item.kind === 'message' && item.message.id === event.message_id ? { ...item, message: messageWithNews(item.message, news, event.at) } : item)) : shown
  }, [...items])
}

/** Events that only repeat what a message in the timeline shows by itself. */
const SPOKEN_FOR = new Set(['message.received', 'message.queued', 'message.delivery', 'message.edited', 'message.recalled', 'message.media', 'message.updated', 'note.added', 'ticket.created', 'call.wrapped_up'])

export type Row =
  | { type: 'day'; key: string; at: string }
  | { type: 'message'; key: string; message: Message }
  | { type: 'notice'; key: string; message: Message }
  | { type: 'event'; key: string; event: HubEvent }

export function timelineRows(items: readonly TimelineItem[]): Row[] {
  const rows: Row[] = []
  let day = ''
  for (const item of items) {
    if (item.kind === 'event' && SPOKEN_FOR.has(item.event.type)) continue
    const at = itemAt(item)
    if (dayKey(at) !== day) {
      day = dayKey(at)
      rows.push({ type: 'day', key: `day-${day}`, at })
    }
    if (item.kind === 'message') rows.push({ type: item.message.kind === 'notice' ? 'notice' : 'message', key: item.message.id, message: item.message })
    else rows.push({ type: 'event', key: item.event.id, event: item.event })
  }
  return rows
}
