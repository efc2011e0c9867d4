import { describe, expect, it } from 'vitest'
import type { TimelineItem } from '@/api/types'
import { itemId, timelineRows, withMessage, withNewest, withOlder } from '@/lib/timeline'
import { event, message } from './samples'

const at = (hour: number, day = 2): string => `2026-01-0${day}T${String(hour).padStart(2, '0')}:00:00Z`
const said = (id: string, hour: number): TimelineItem => ({ kind: 'message', message: message({ id, at: at(hour) }) })
const ids = (items: readonly TimelineItem[]): string[] => items.map(itemId)

describe('the timeline', () => {
  it('puts an older page in front, without repeating', () => {
    expect(ids(withOlder([said('c', 3), said('d', 4)], [said('a', 1), said('b', 2), said('c', 3)]))).toEqual(['a', 'b', 'c', 'd'])
  })
  it('forgets what left the ticket and keeps older pages when the newest page is read again', () => {
    const shown = [said('old', 1), said('a', 5), said('moved away', 6), said('b', 7)]
    expect(ids(withNewest(shown, [said('a', 5), said('b', 7), said('new', 8)], false))).toEqual(['old', 'a', 'b', 'new'])
  })
  it('takes a page that is all there is for the whole', () => {
    expect(ids(withNewest([said('gone', 1)], [said('a', 5)], true))).toEqual(['a'])
  })
  it('replaces a message whose delivery changed', () => {
    const delivery = { state: 'failed', due: at(1), attempts: 1, words: '550', refused: {}, sent_at: null, updated_at: at(1) } as const
    const next = withMessage([said('a', 1), said('b', 2)], message({ id: 'a', at: at(1), delivery }))
    expect(ids(next)).toEqual(['a', 'b'])
    expect(next[0]!.kind === 'message' && next[0]!.message.delivery?.state).toBe('failed')
  })
  it('separates days and leaves out events that messages already tell', () => {
    const rows = timelineRows([
      { kind: 'event', event: event({ id: 'e0', type: 'message.received', at: at(12, 1) }) },
      { kind: 'message', message: message({ id: 'a', at: at(12, 1) }) },
      { kind: 'event', event: event({ id: 'e1', type: 'ticket.claimed', at: at(12, 3) }) },
    ])
    expect(rows.map((row) => row.type)).toEqual(['day', 'message', 'day', 'event'])
  })
  it('shows what was done without words as a line, and what changed in the message itself', () => {
    const rows = timelineRows([
      { kind: 'message', message: message({ id: 'n', kind: 'notice', at: at(1) }) },
      ...['message.edited', 'message.recalled', 'message.media'].map((type, index): TimelineItem => ({ kind: 'event', event: event({ id: `e${index}`, type, at: at(2) }) })),
    ])
    expect(rows.map((row) => row.type)).toEqual(['day', 'notice'])
  })
})
