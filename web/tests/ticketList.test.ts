import { describe, expect, it } from 'vitest'
import type { TicketQuery } from '@/api/types'
import { matchesQuery, withChanges } from '@/lib/ticketList'
import { ticket } from './samples'

const NOW = Date.parse('2026-01-03T00:00:00Z')
const mine: TicketQuery = { view: 'mine', status: 'active' }
const at = (hour: number): string => `2026-01-02T${String(hour).padStart(2, '0')}:00:00Z`
const fits = (changes: Parameters<typeof ticket>[0], query: TicketQuery = mine): boolean => matchesQuery(ticket(changes), query, 'me', NOW)

describe('which rows a list shows', () => {
  it.each([
    ['my open ticket', {}, mine, true],
    ['another’s ticket', { assignee_id: 'you' }, mine, false],
    ['nobody’s ticket among unassigned', { assignee_id: null }, { view: 'unassigned', status: 'active' }, true],
    ['a resolved ticket', { status: 'resolved' }, mine, false],
    ['a resolved ticket when asked for', { status: 'resolved' }, { view: 'mine', status: 'resolved' }, true],
    ['a snoozed ticket', { snoozed_until: '2026-01-04T00:00:00Z' }, mine, false],
    ['a ticket whose snooze is over', { snoozed_until: '2026-01-02T00:00:00Z' }, mine, true],
    ['a snoozed ticket among snoozed', { snoozed_until: '2026-01-04T00:00:00Z' }, { view: 'all', status: 'snoozed' }, true],
    ['spam', { spam: true }, mine, false],
    ['spam among spam', { spam: true }, { view: 'all', status: 'any', spam: 1 }, true],
    ['a merged ticket', { merged_into: 'T2' }, { view: 'all', status: 'any' }, false],
    ['a ticket of another channel', {}, { ...mine, channel: 'webform' }, false],
    ['a ticket with the tag', { tags: ['vip'] }, { ...mine, tag: 'vip' }, true],
  ] as [string, Parameters<typeof ticket>[0], TicketQuery, boolean][])('%s', (_name, changes, query, expected) => {
    expect(fits(changes, query)).toBe(expected)
  })
})

describe('what the live link does to a list', () => {
  const rows = [ticket({ id: 'A', last_message_at: at(9) }), ticket({ id: 'B', last_message_at: at(8) }), ticket({ id: 'C', last_message_at: at(7) })]
  const ids = (changed: Parameters<typeof ticket>[0][], more = false, query = mine): string[] =>
    withChanges(rows, changed.map((one) => ticket(one)), query, 'me', NOW, more).map((row) => row.id)

  it('moves a ticket up when its customer writes', () => {
    expect(ids([{ id: 'C', last_message_at: at(10), version: 2 }])).toEqual(['C', 'A', 'B'])
  })
  it('inserts a new one in its place', () => {
    expect(ids([{ id: 'D', last_message_at: at(8), status: 'new' }]).slice(0, 1)).toEqual(['A'])
    expect(ids([{ id: 'D', last_message_at: at(10) }])).toEqual(['D', 'A', 'B', 'C'])
  })
  it('drops one that no longer belongs', () => {
    expect(ids([{ id: 'B', assignee_id: 'you', version: 2 }])).toEqual(['A', 'C'])
  })
  it('does not let late news undo newer ones', () => {
    const newer = [ticket({ id: 'A', version: 5, last_message_at: at(9) })]
    expect(withChanges(newer, [ticket({ id: 'A', version: 4, assignee_id: 'you' })], mine, 'me', NOW, false)).toEqual(newer)
  })
  it('leaves what lies behind the last row to the next page', () => {
    expect(ids([{ id: 'Z', last_message_at: at(1) }], true)).toEqual(['A', 'B', 'C'])
    expect(ids([{ id: 'Z', last_message_at: at(1) }], false)).toEqual(['A', 'B', 'C', 'Z'])
  })
  it('puts who has waited longest first, and those who do not wait last', () => {
    const query: TicketQuery = { ...mine, sort: 'waiting_since' }
    const changed = [
      { id: 'A', version: 2, waiting_since: at(6) },
      { id: 'B', version: 2, waiting_since: null },
      { id: 'C', version: 2, waiting_since: at(5) },
    ]
    expect(ids(changed, false, query)).toEqual(['C', 'A', 'B'])
  })
})
