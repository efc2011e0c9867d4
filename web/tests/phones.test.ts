import { describe, expect, it } from 'vitest'
import type { NumberOwners } from '@/api/types'
import { inOrder, isOverdue } from '@/lib/callBacks'
import { offerFor } from '@/lib/callers'
import { asQuery, filterCount, filtersOf, NO_FILTERS, searchedNumber } from '@/lib/callLog'
import { asCall } from '@/lib/calls'
import { isNamed, isPhone, numberOfCaller, numberOfHandle, reasonOf, tidyDispositions, timeZones } from '@/lib/phones'
import { asksHowItWent, FRESH_MS } from '@/lib/wrapUps'
import { initials } from '@/lib/format'
import { callBack, candidate, message } from './samples'

const NOW = Date.parse('2026-11-20T09:00:00Z')

describe('a channel of calls', () => {
  it.each([
    [{ icon: 'phone', capabilities: { send: false } }, true],
    [{ icon: 'phone', capabilities: { send: true } }, false],
    [{ icon: 'phone', capabilities: ['send'] }, false],
    [{ icon: 'other', capabilities: { calls: true } }, true],
    [{ icon: 'form', capabilities: { send: false } }, false],
  ])('%o: %s', (channel, is) => expect(isPhone(channel)).toBe(is))
})

describe('a number', () => {
  it.each([
    ['phone:+4930123456', '+4930123456'],
    ['phone:110', ''],
    ['email:a@b.c', ''],
    ['asterisk:A1:anonymous-7', ''],
  ])('of %s is %j', (key, number) => expect(numberOfHandle(key)).toBe(number))
  it('of a caller is the proven one, never what stands in the call', () => {
    expect(numberOfCaller(message({ sender: { key: 'phone:+4930123456', name: '', user_id: null } }))).toBe('+4930123456')
    expect(numberOfCaller(message({ sender: { key: 'cti:A1:anonymous-1', name: '+4930999', user_id: null } }))).toBe('')
  })
  it.each([
    ['', false],
    ['  ', false],
    ['+49 30 123456', false],
    ['030/123456', false],
    ['123456', false],
    ['Anna', true],
    ['Anna 2', true],
    ['007', true],
  ])('is no name: %j → %s', (name, named) => expect(isNamed(name, '+4930123456')).toBe(named))
  it('stands by its last digits in an avatar', () => expect([initials('+49 30 123456'), initials('A1')]).toEqual(['56', 'A']))
})

describe('who calls', () => {
  const owners = (changes: Partial<NumberOwners>): NumberOwners => ({ number: '+4930123456', owner: { id: 'C1', name: '' }, candidates: [candidate({ id: 'C1', known_by: 'identity' })], ...changes })
  it('can be given a name, or a known contact, where the number is all that is known', () => {
    expect(offerFor(owners({}), '+4930123456', 'C1', '+4930123456')).toEqual({ unknown: true, candidates: [] })
    expect(offerFor(null, '', 'C1', '101').unknown).toBe(true)
    expect(offerFor(null, '', '', '101').unknown).toBe(false)
  })
  it('is left alone once it has a name', () => expect(offerFor(owners({ owner: { id: 'C1', name: 'Anna' } }), '', 'C1', '').unknown).toBe(false))
  it('may be any of those who gave this number: all are shown, the owner is not repeated', () => {
    const claims = [candidate({ id: 'C2' }), candidate({ id: 'C3' })]
    expect(offerFor(owners({ candidates: [candidate({ id: 'C1' }), ...claims] }), '', 'C1', '').candidates).toEqual(claims)
    expect(offerFor(owners({ owner: null, candidates: claims }), 'Anna', 'C2', '').candidates).toEqual([claims[1]])
  })
})

describe('the log’s filters', () => {
  it('are read from the address, as far as they make sense', () => {
    const read = filtersOf({ direction: 'in', outcome: 'exploded', account: ['a', 'b'], number: '+49 30', from: '2026-02-30x', until: '2026-11-20', other: '1' })
    expect(read).toEqual({ ...NO_FILTERS, direction: 'in', number: '+49 30', until: '2026-11-20' })
    expect(filterCount(read)).toBe(3)
  })
  it('take the whole of the last day in, across the end of a month', () => {
    expect(asQuery({ ...NO_FILTERS, from: '2026-02-01', until: '2026-02-28' })).toMatchObject({ since: '2026-02-01T00:00:00.000Z', until: '2026-03-01T00:00:00.000Z' })
    expect(asQuery(NO_FILTERS)).toMatchObject({ since: '', until: '', number: '' })
  })
  it.each([
    ['+49 30 12-34', '+49301234'],
    ['(030) 1234', '0301234'],
    ['123', ''],
    ['+123', ''],
    ['+4+9301', '+49301'],
    ['Anna', ''],
  ])('search %j as %j', (typed, searched) => expect(searchedNumber(typed)).toBe(searched))
})

describe('call-backs', () => {
  it('are overdue from their minute on, until they are done', () => {
    const due = new Date(NOW).toISOString()
    expect([isOverdue(callBack({ due }), NOW - 1), isOverdue(callBack({ due }), NOW), isOverdue(callBack({ due, state: 'done' }), NOW)]).toEqual([false, true, false])
  })
  it('stand by when they are due, the done ones by when they were', () => {
    const list = [callBack({ id: 'a', due: '2026-11-20T10:00:00Z', done_at: '2026-11-20T08:00:00Z' }), callBack({ id: 'b', due: '2026-11-20T09:00:00Z', done_at: '2026-11-20T07:00:00Z' }), callBack({ id: 'c', due: '2026-11-20T11:00:00Z', done_at: '2026-11-20T09:00:00Z' })]
    expect(inOrder(list, 'open').map((one) => one.id)).toEqual(['b', 'a', 'c'])
    expect(inOrder(list, 'done').map((one) => one.id)).toEqual(['c', 'a', 'b'])
  })
})

describe('how a call went', () => {
  const ended = (changes = {}) => asCall({ id: 'c', direction: 'in', state: 'ended', outcome: 'answered', answered_by: '21', ended_at: new Date(NOW).toISOString(), ...changes })!
  const asks = (call = ended(), own = ['21'], at = NOW + 1000, wrap = {}): boolean => asksHowItWent(message({ kind: 'call', ...wrap }), call, own, at)
  it('is asked of who talked, while it is fresh, and once', () => {
    expect(asks()).toBe(true)
    expect(asks(ended(), ['22'])).toBe(false)
    expect(asks(ended(), [])).toBe(false)
    expect(asks(ended(), ['21'], NOW + FRESH_MS)).toBe(false)
    expect(asks(ended({ state: 'talking', ended_at: null }))).toBe(false)
    expect(asks(ended({ outcome: 'voicemail' }))).toBe(false)
    expect(asks(ended(), ['21'], NOW, { wrap_up: { disposition: 'order', note: '', user_id: 'me', name: 'Lin', at: '' } })).toBe(false)
  })
  it('has words of the admin’s own, each once', () => {
    expect(tidyDispositions([' resolved', 'resolved', '', 'x'.repeat(70), '退款 ', '退款'])).toEqual(['resolved', 'x'.repeat(60), '退款'])
    expect(tidyDispositions(Array.from({ length: 40 }, (_, at) => `w${at}`))).toHaveLength(30)
  })
})

it('a telephone that was not picked up has words where we know why', () => {
  expect(["the agent's telephone is busy", "the agent's telephone was not picked up (NO_ANSWER)", "the agent's telephone cannot be reached", 'trunk 7 is down'].map(reasonOf)).toEqual(['busy', 'away', 'gone', ''])
})

it('time zones hold UTC and are names that the browser knows', () => {
  const zones = timeZones()
  expect(zones).toContain('UTC')
  expect(() => new Intl.DateTimeFormat('en', { timeZone: zones.at(-1) })).not.toThrow()
})
