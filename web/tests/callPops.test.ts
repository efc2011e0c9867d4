import { describe, expect, it } from 'vitest'
import type { CallNews } from '@/api/types'
import { newsOf } from '@/lib/calls'
import { afterDismissing, afterHearing, afterTime, afterTouching, ASKS_MS, isShown, nextChange, REMEMBERS_MS, RINGS_MS, SAYS_OVER_MS, type CallPop } from '@/lib/callPops'
import { event } from './samples'

const NOW = Date.parse('2026-11-20T09:00:00Z')
const OWN = ['21']
const RINGS: Partial<CallNews> = { direction: 'in', state: 'ringing', customer: '+4930123456', agents: ['21', '22'] }

const heard = (news: Partial<CallNews>, id = 'M1', at = NOW) => ({
  messageId: id,
  ticketId: `T-${id}`,
  news: newsOf(event({ type: 'message.updated', data: { call: news } }))!,
  at: new Date(at).toISOString(),
})
const after = (...told: Partial<CallNews>[]): CallPop[] => told.reduce<CallPop[]>((pops, news) => afterHearing(pops, heard(news), OWN, NOW), [])
const phases = (pops: readonly CallPop[]): string[] => pops.map((pop) => pop.phase)

describe('a call pops up', () => {
  it('with its number, where one of our telephones rings', () => {
    const [pop] = after({ ...RINGS, line: '100' })
    expect(pop).toMatchObject({ messageId: 'M1', ticketId: 'T-M1', phase: 'ringing', call: { customer: '+4930123456', line: '100', started_at: new Date(NOW).toISOString() } })
  })
  it('however the extension is written', () => {
    expect(phases(afterHearing([], heard({ ...RINGS, agents: ['+49 30 12-34'] }), ['+49301234'], NOW))).toEqual(['ringing'])
  })
  it('after it has waited in a queue', () => {
    const waiting = after({ ...RINGS, state: 'queued', agents: [] })
    expect(waiting).toEqual([])
    expect(phases(afterHearing(waiting, heard(RINGS), OWN, NOW))).toEqual(['ringing'])
  })
  it.each([
    ['another’s telephone', { ...RINGS, agents: ['22'] }],
    ['nobody’s telephone', { ...RINGS, agents: null }],
  ])('not for %s', (_, news) => expect(after(news)).toEqual([]))
  it('not for news of long ago', () => expect(afterHearing([], heard(RINGS, 'M1', NOW - RINGS_MS - 1), OWN, NOW)).toEqual([]))
  it('beside another one', () => {
    const two = afterHearing(after(RINGS), heard(RINGS, 'M2'), OWN, NOW)
    expect(two.map((pop) => pop.messageId)).toEqual(['M1', 'M2'])
  })
})

describe('a pop-up', () => {
  it('goes when somebody else answers', () => {
    expect(after(RINGS, { state: 'talking', answered_by: '22' }).filter(isShown)).toEqual([])
    expect(phases(after(RINGS, { state: 'talking' }))).toEqual(['away'])
  })
  it('stays for who answers, and asks how it went when the talk is over', () => {
    const mine = after(RINGS, { state: 'talking', answered_by: '21' })
    expect(phases(mine)).toEqual(['mine'])
    expect(nextChange(mine)).toBeNull()
    expect(phases(afterHearing(mine, heard({ state: 'held' }), OWN, NOW))).toEqual(['mine'])
    const asked = after(RINGS, { state: 'talking', answered_by: '21' }, { state: 'ended', outcome: 'answered' })
    expect(phases(asked)).toEqual(['wrap'])
    expect(phases(afterTime(asked, NOW + ASKS_MS))).toEqual(['gone'])
    expect(phases(afterTime(afterTouching(asked, 'M1'), NOW + 10 * ASKS_MS))).toEqual(['wrap'])
    expect(phases(afterDismissing(asked, 'M1', NOW))).toEqual(['gone'])
  })
  it('does not ask who handed the call on', () => {
    expect(phases(after(RINGS, { state: 'talking', answered_by: '21' }, { state: 'talking', answered_by: '22' }, { state: 'ended', outcome: 'answered' }))).toEqual(['gone'])
  })
  it('asks after a call that we placed, and is silent before', () => {
    const placed = after({ ...RINGS, direction: 'out', agents: ['21'] })
    expect([phases(placed), placed.filter(isShown)]).toEqual([['placed'], []])
    const end = (outcome: CallNews['outcome']): string[] => phases(afterHearing(placed, heard({ state: 'ended', outcome, answered_by: '21' }), OWN, NOW))
    expect([end('answered'), end('no_answer')]).toEqual([['wrap'], ['gone']])
  })
  it('knows nothing new of an older word', () => {
    const mine = after({ ...RINGS, sequence: 1 }, { state: 'talking', answered_by: '21', sequence: 5, customer_name: 'Anna' })
    const late = afterHearing(mine, heard({ state: 'ringing', customer_name: 'Somebody', sequence: 2 }), OWN, NOW)
    expect(late).toMatchObject([{ phase: 'mine', call: { state: 'talking', customer_name: 'Anna', sequence: 5 } }])  })
  it('is ours where only our telephone rang and nobody is named', () => {
    expect(phases(after({ ...RINGS, agents: ['21'] }, { state: 'talking' }))).toEqual(['mine'])
  })
  it('says for a moment that the call was missed', () => {
    const over = after(RINGS, { state: 'ended', outcome: 'missed' })
    expect(phases(over)).toEqual(['over'])
    const repeated = afterHearing(over, heard({ state: 'ended', outcome: 'missed' }), OWN, NOW + 1000)
    expect(repeated[0]!.until).toBe(NOW + SAYS_OVER_MS)
    expect(phases(afterTime(repeated, NOW + SAYS_OVER_MS - 1))).toEqual(['over'])
    expect(phases(afterTime(repeated, NOW + SAYS_OVER_MS))).toEqual(['gone'])
  })
  it('goes without a word where the call was answered at another telephone and is over at once', () => {
    expect(phases(after(RINGS, { state: 'ended', outcome: 'answered' }))).toEqual(['gone'])
  })
  it('comes back when the queue, or a colleague, rings us again', () => {
    const back = after(RINGS, { state: 'queued' })
    expect(back.filter(isShown)).toEqual([])
    expect(phases(afterHearing(back, heard({ state: 'ringing' }), OWN, NOW))).toEqual(['ringing'])
    const handedOver = after(RINGS, { state: 'talking', answered_by: '22' }, { state: 'ringing' })
    expect(phases(handedOver)).toEqual(['ringing'])
  })
  it('goes while only a colleague’s telephone rings', () => {
    const passedOn = after({ ...RINGS, ringing: ['21'] }, { state: 'ringing', ringing: ['22'] })
    expect(passedOn.filter(isShown)).toEqual([])
    expect(phases(afterHearing(passedOn, heard({ state: 'ringing', ringing: ['22', '21'] }), OWN, NOW))).toEqual(['ringing'])
  })
  it('does not come back once it was dismissed, or the call is over', () => {
    const dismissed = afterDismissing(after(RINGS), 'M1', NOW)
    expect(afterHearing(dismissed, heard({ state: 'ringing' }), OWN, NOW).filter(isShown)).toEqual([])
    const talking = afterHearing(dismissed, heard({ state: 'talking', answered_by: '21' }), OWN, NOW)
    expect(talking.filter(isShown)).toEqual([])
    expect(afterHearing(talking, heard({ state: 'ended', outcome: 'answered' }), OWN, NOW).filter(isShown).map((pop) => pop.phase)).toEqual(['wrap'])
    expect(phases(after({ ...RINGS, state: 'ended', outcome: 'missed' }, RINGS))).toEqual(['gone'])
    expect(phases(after(RINGS, { state: 'ended', outcome: 'missed' }, { state: 'ringing' }))).toEqual(['over'])
  })
  it('does not ring for ever, and is forgotten in the end', () => {
    const rang = afterTime(after(RINGS), NOW + RINGS_MS)
    expect(phases(rang)).toEqual(['away'])
    expect(afterTime(rang, NOW + RINGS_MS + REMEMBERS_MS)).toEqual([])
    expect(nextChange(rang)).toBe(NOW + RINGS_MS + REMEMBERS_MS)
    expect(nextChange([])).toBeNull()
  })
})
