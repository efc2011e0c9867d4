import { describe, expect, it, vi } from 'vitest'
import type { CallNews, CallRow, HubEvent, PhoneCall } from '@/api/types'
import en from '@/i18n/en'
import {
  asCall,
  boardOf,
  callOf,
  callsSomebody,
  clock,
  extensionKey,
  headlineOf,
  isLost,
  isOneOf,
  newsOf,
  rowsWithNews,
  talkedSeconds,
  tidyExtensions,
  toneOf,
  waitedSeconds,
  withFirstPage,
  withNews,
} from '@/lib/calls'
import { timelineRows, withCallNews } from '@/lib/timeline'
import { gathered } from '@/lib/timing'
import { event, message } from './samples'

const AT = (seconds: number): string => new Date(Date.parse('2026-11-20T09:00:00Z') + seconds * 1000).toISOString()
const NOW = (seconds: number): number => Date.parse(AT(seconds))
const call = (changes: Partial<PhoneCall> = {}): PhoneCall => ({ ...asCall({ id: 'c1', direction: 'in', state: 'ringing', customer: '+4930123456', started_at: AT(0) })!, ...changes })
const told = (news: Partial<CallNews>, changes: Partial<HubEvent> = {}): HubEvent => event({ id: 'e', type: 'message.updated', message_id: 'M1', data: { call: news }, at: AT(0), ...changes })
const row = (id: string, changes: Partial<PhoneCall>, at = AT(0)): CallRow => ({ message: message({ id, kind: 'call', extra: { call: call(changes) }, at }), ticket: null, contact_name: '' })
const ids = (rows: readonly CallRow[]): string[] => rows.map((one) => one.message.id)

describe('a stored call', () => {
  it('is read whole', () => {
    const stored = { ...call({ state: 'ended', outcome: 'answered', agents: ['21', '22'], answered_by: '22', transfers: [{ from: '22', to: '23', kind: 'attended' }], consent: { notice: 'We record.', version: '3' }, position: 2 }), sequence: 9 }
    expect(asCall(stored)).toEqual(stored)
  })
  it('may know only a part, or hold what nobody expects', () => {
    expect(asCall({ id: 'c1', ended_at: AT(9), agents: [1, '21'], waited_seconds: '7', transfers: 'x', consent: {}, outcome: 'exploded' })).toMatchObject({
      state: 'ended', direction: 'in', agents: ['21'], waited_seconds: 0, transfers: [], consent: null, outcome: '',
    })
    expect(asCall('call')).toBeNull()
    expect(asCall([])).toBeNull()
  })
  it('began with its message where nothing better is known, and is nothing for other messages', () => {
    expect(callOf(message({ kind: 'call', extra: { call: { id: 'c1', state: 'ringing' } }, at: AT(5) }))?.started_at).toBe(AT(5))
    expect(callOf(message({ extra: { call: { id: 'c1' } } }))).toBeNull()
    expect(callOf(message({ kind: 'call' }))).toBeNull()
  })
})

describe('words', () => {
  it('exist for every direction, state and outcome', () => {
    const heads = new Set(Object.keys(en.call.head))
    for (const direction of ['in', 'out'] as const) {
      for (const state of ['ringing', 'queued', 'talking', 'held', 'parked', 'ended'] as const) expect(heads).toContain(headlineOf(call({ direction, state })))
      for (const outcome of Object.keys(en.call.outcome) as PhoneCall['outcome'][]) expect(heads).toContain(headlineOf(call({ direction, state: 'ended', outcome })))
    }
  })
  it('tell a call that goes on by its state, although somebody has answered', () => {
    expect(headlineOf(call({ state: 'held', outcome: 'answered' }))).toBe('in_held')
  })
  it.each([
    ['in', 'ended', 'missed', true, 'danger'],
    ['in', 'ended', 'voicemail', true, 'danger'],
    ['in', 'ended', 'answered', false, 'ok'],
    ['in', 'ringing', '', false, 'warn'],
    ['in', 'talking', 'answered', false, 'ok'],
    ['out', 'ended', 'no_answer', false, ''],
    ['out', 'ringing', '', false, 'info'],
  ] as const)('%s %s %s: lost %s, %s', (direction, state, outcome, lost, tone) => {
    expect(isLost(call({ direction, state, outcome }))).toBe(lost)
    expect(toneOf(call({ direction, state, outcome }))).toBe(tone)
  })
})

describe('times', () => {
  it.each([
    [0, '0:00'],
    [7.9, '0:07'],
    [725, '12:05'],
    [3725, '1:02:05'],
    [-3, '0:00'],
  ])('%s s is %s', (seconds, words) => expect(clock(seconds)).toBe(words))
  it('run while it rings, and stop at the answer', () => {
    expect(waitedSeconds(call(), NOW(12))).toBe(12)
    expect(talkedSeconds(call(), NOW(12))).toBe(0)
    const talking = call({ state: 'talking', answered_at: AT(12) })
    expect([waitedSeconds(talking, NOW(100)), talkedSeconds(talking, NOW(100))]).toEqual([12, 88])
  })
  it('are what the telephone system says once it is over, else what the moments say', () => {
    const over = call({ state: 'ended', answered_at: AT(12), ended_at: AT(197) })
    expect([waitedSeconds(over, NOW(999)), talkedSeconds(over, NOW(999))]).toEqual([12, 185])
    const counted = { ...over, waited_seconds: 11, talked_seconds: 184 }
    expect([waitedSeconds(counted, NOW(999)), talkedSeconds(counted, NOW(999))]).toEqual([11, 184])
    expect(waitedSeconds(call({ state: 'ended', outcome: 'missed', ended_at: AT(23) }), NOW(999))).toBe(23)
  })
})

describe('news of a call', () => {
  it('are read from events of messages only', () => {
    expect(newsOf(told({ state: 'talking', answered_by: '21', queue: null, agents: [] }))).toMatchObject({ state: 'talking', answered_by: '21', queue: null, agents: null, outcome: null })
    expect(newsOf(event({ data: { call: { state: 'talking' } } }))).toBeNull()
    expect(newsOf(event({ type: 'message.updated' }))).toBeNull()
  })
  it('complete what is known and take nothing back', () => {
    const known = call({ agents: ['21'], line: '100', started_at: AT(0) })
    const next = withNews(known, newsOf(told({ state: 'talking', answered_by: '21' }))!, AT(8))
    expect(next).toMatchObject({ state: 'talking', answered_by: '21', agents: ['21'], line: '100', customer: '+4930123456', started_at: AT(0), answered_at: AT(8) })
    const over = withNews(next, newsOf(told({ state: 'ended', outcome: 'answered' }))!, AT(30))
    expect([over.ended_at, talkedSeconds(over, NOW(99))]).toEqual([AT(30), 22])
    expect(withNews(over, newsOf(told({ state: 'ringing' }))!, AT(31)).state).toBe('ended')
  })
  it('change the card in the timeline in place and stay out of the trail', () => {
    const items = [{ kind: 'message' as const, message: message({ kind: 'call', extra: { call: call({ started_at: AT(0) }), sequence: 3 }, at: AT(0) }) }]
    const next = withCallNews(items, [told({ state: 'talking', answered_by: '22' }, { at: AT(4) }), event()])
    const shown = next[0]!
    expect(shown.kind === 'message' && callOf(shown.message)).toMatchObject({ state: 'talking', answered_by: '22', answered_at: AT(4), customer: '+4930123456' })
    expect(shown.kind === 'message' && shown.message.extra.sequence).toBe(3)
    expect(timelineRows([...next, { kind: 'event', event: told({ state: 'talking' }) }]).map((one) => one.type)).toEqual(['day', 'message'])
  })
  it('call an agent only where somebody waits to be called back', () => {
    const received = { type: 'message.received' }
    expect(callsSomebody(event(received))).toBe(true)
    expect(callsSomebody(told({ direction: 'in', state: 'ringing' }, received))).toBe(false)
    expect(callsSomebody(told({ direction: 'in', state: 'ended', outcome: 'missed' }))).toBe(true)
    expect(callsSomebody(told({ direction: 'in', state: 'ended', outcome: 'answered' }))).toBe(false)
    expect(callsSomebody(event({ type: 'message.updated' }))).toBe(false)
  })
})

describe('extensions', () => {
  it.each([
    [' 21 ', '21'],
    ['+49 (30) 12-34', '+49301234'],
    ['Client:Anna', 'client:anna'],
    ['PJSIP/21', 'pjsip/21'],
  ])('%s is %s', (given, key) => expect(extensionKey(given)).toBe(key))
  it('are told apart', () => {
    expect(isOneOf('+4930 1', ['21', '+49301'])).toBe(true)
    expect(isOneOf('2', ['21'])).toBe(false)
    expect(isOneOf('', [''])).toBe(false)
    expect(tidyExtensions([' 21', '21', '', 'Anna', 'anna', '2 1'])).toEqual(['21', 'Anna'])
  })
})

describe('the board and the log', () => {
  it('show who waited or talked longest first, and nobody whose call is over', () => {
    const board = boardOf([
      row('new', { state: 'ringing', started_at: AT(50) }),
      row('old', { state: 'queued', started_at: AT(1) }),
      row('long', { state: 'held', started_at: AT(0), answered_at: AT(10) }),
      row('short', { state: 'talking', started_at: AT(0), answered_at: AT(40) }),
      row('over', { state: 'ended' }),
    ])
    expect([ids(board.waiting), ids(board.talking)]).toEqual([['old', 'new'], ['long', 'short']])
  })
  it('follow events', () => {
    const rows = rowsWithNews([row('M1', {}), row('M2', {})], told({ state: 'talking' }))
    expect([ids(boardOf(rows).waiting), ids(boardOf(rows).talking)]).toEqual([['M2'], ['M1']])
  })
  it('put the first page read again in front of later pages', () => {
    const shown = [row('c', {}, AT(30)), row('b', {}, AT(20)), row('a', {}, AT(10))]
    expect(ids(withFirstPage(shown, [row('d', {}, AT(40)), row('c', { state: 'ended' }, AT(30))]))).toEqual(['d', 'c', 'b', 'a'])
    expect(withFirstPage(shown, [row('c', { state: 'ended' }, AT(30))])[0]).toMatchObject({ message: { extra: { call: { state: 'ended' } } } })
    expect(withFirstPage([], [])).toEqual([])
  })
  it('are read again in the midst of a steady stream', () => {
    vi.useFakeTimers()
    const run = vi.fn()
    const soon = gathered(run, 100)
    for (let at = 0; at < 20; at += 1) {
      soon()
      vi.advanceTimersByTime(20)
    }
    expect(run.mock.calls.length).toBeGreaterThanOrEqual(3)
    vi.useRealTimers()
  })
})
