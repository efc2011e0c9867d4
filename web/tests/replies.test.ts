import { describe, expect, it } from 'vitest'
import type { Attachment, Channel, Conversation, OtherWay } from '@/api/types'
import { notCarried, partCount, refusal } from '@/lib/mediaRules'
import { isRecallable } from '@/lib/recall'
import { isClosed, rest, restWords, windowState } from '@/lib/replyWindow'
import { countSegments } from '@/lib/segments'
import { filledParts, isFilled } from '@/lib/templates'
import { measured, textRoom } from '@/lib/textMeasure'
import { instead, isUsable, usualWay, waysOf } from '@/lib/ways'
import { message } from './samples'

const NOW = Date.parse('2026-01-02T10:00:00Z')
const inHours = (hours: number): string => new Date(NOW + hours * 3_600_000).toISOString()

describe('what a text costs as SMS', () => {
  it.each([
    ['', 'gsm7', 0, 0],
    ['a'.repeat(160), 'gsm7', 1, 0],
    ['a'.repeat(161), 'gsm7', 2, 145],
    ['a'.repeat(306), 'gsm7', 2, 0],
    ['€'.repeat(80), 'gsm7', 1, 0],
    ['好'.repeat(70), 'ucs2', 1, 0],
    ['好'.repeat(71), 'ucs2', 2, 63],
    ['好'.repeat(135), 'ucs2', 3, 66],
  ])('%.6s… %s', (text, encoding, segments, left) => {
    if (text) expect(countSegments(text)).toMatchObject({ encoding, segments, left })
    else expect(countSegments(text).segments).toBe(0)
  })
  it('counts the extension table twice and breaks no sign in two', () => {
    expect(countSegments('[x]').units).toBe(5)
    // 152 septets and a sign of two: it moves to the next segment whole.
    expect(countSegments(`${'a'.repeat(152)}€${'a'.repeat(20)}`)).toMatchObject({ segments: 2, left: 131 })
    expect(countSegments(`${'好'.repeat(66)}😀${'好'.repeat(3)}`)).toMatchObject({ segments: 2, left: 62, units: 71 })
  })
})

describe('how long a text is to the channel', () => {
  it('measures in the unit of the provider', () => {
    expect(measured(' 好😀 ')).toBe(2)
    expect(measured('好😀', 'bytes')).toBe(7)
    expect(measured('好😀', 'utf16')).toBe(3)
  })
  it('says when the limit is near and when it is passed', () => {
    const wechat = { text_limit: 10, text_unit: 'bytes' } as const
    expect(textRoom('好好', wechat)).toMatchObject({ size: 6, near: false, over: false })
    expect(textRoom('好好ab', wechat)).toMatchObject({ near: true, over: false })
    expect(textRoom('好好好ab', wechat)).toMatchObject({ size: 11, over: true })
    expect(textRoom('x'.repeat(9999), { text_limit: 0 })).toBeNull()
  })
})

describe('the reply window', () => {
  const way = (until: string | null, left: number, can_reply = true, allowed = 5) => ({ can_reply, window: { until, left, allowed } })
  it.each([
    [{ can_reply: true, window: null }, 'none'],
    [way(inHours(12), 3), 'open'],
    [way(inHours(1.9), 3), 'soon'],
    [way(inHours(12), 1), 'soon'],
    [way(inHours(-1), 3), 'expired'],
    [way(inHours(12), 0), 'used'],
    [way(null, 0, false), 'waiting'],
    [way(inHours(12), 3, false), 'gone'],
    [way(null, 0, false, 0), 'gone'],
  ] as const)('%j is %s', (given, state) => expect(windowState(given, NOW)).toBe(state))
  it('closes by the clock alone', () => {
    const given = way(inHours(1), 2)
    expect(isClosed(windowState(given, NOW))).toBe(false)
    expect(isClosed(windowState(given, NOW + 3_600_000))).toBe(true)
  })
  it('never promises more than is left', () => {
    expect(rest(inHours(12.99), NOW)).toEqual({ value: 12, unit: 'hour' })
    expect(rest(inHours(1.99), NOW)).toEqual({ value: 119, unit: 'minute' })
    expect(rest(new Date(NOW + 90_000).toISOString(), NOW)).toEqual({ value: 90, unit: 'second' })
    expect(rest(inHours(-1), NOW).value).toBe(0)
    expect(restWords(inHours(12), NOW, 'en')).toBe('12 hr')
    expect(restWords(inHours(12), NOW, 'zh-CN')).toBe('12小时')
  })
})

const file = (content_type: string, size = 10, id = content_type): Attachment => ({ id, filename: 'f', content_type, size, inline: false, content_id: '', label: '' })
const channel = (changes: Partial<Channel>): Channel =>
  ({ key: 'x', capabilities: { attachments: true }, media: [], attachment_limit_bytes: 0, ...changes }) as Channel

describe('files that a channel carries', () => {
  const rules = channel({
    media: [
      { kind: 'image', types: ['image/*'], max_bytes: 100 },
      { kind: 'file', types: ['application/pdf', 'image/png'], max_bytes: 500 },
    ],
  })
  it('goes by the widest rule that fits', () => {
    expect(refusal(file('image/png', 400), rules)).toBeNull()
    expect(refusal(file('image/jpeg', 400), rules)).toEqual({ why: 'size', limit: 100 })
    expect(refusal(file('application/pdf; charset=x', 10), rules)).toBeNull()
    expect(refusal(file('text/plain'), rules)).toEqual({ why: 'type' })
  })
  it('takes anything where there are no rules, nothing where there are no files', () => {
    expect(refusal(file('text/plain', 1e9), channel({}))).toBeNull()
    expect(refusal(file('text/plain'), channel({ capabilities: {} }))).toEqual({ why: 'type' })
    expect(refusal(file('text/plain'), channel({ media: [{ kind: 'any', types: ['*/*'], max_bytes: 9 }] }))).toEqual({ why: 'size', limit: 9 })
  })
  it('names all files where only their sum is too much', () => {
    const both = [file('image/png', 60, 'a'), file('image/png', 60, 'b')]
    expect(notCarried(both, channel({ attachment_limit_bytes: 100 }))).toEqual(['a', 'b'])
    expect(notCarried(both, channel({ attachment_limit_bytes: 120 }))).toEqual([])
    expect(notCarried([file('text/plain', 1, 'c'), ...both], rules)).toEqual(['c'])
  })
  it('counts what one answer falls apart into', () => {
    expect(partCount('hello', 2, true)).toBe(3)
    expect(partCount('  ', 2, true)).toBe(2)
    expect(partCount('hello', 2, false)).toBe(1)
    expect(partCount('hello', 0, true)).toBe(1)
  })
})

const conversation = (id: string, changes: Partial<Conversation> = {}): Conversation =>
  ({ id, account_id: 'A', account_name: id, channel: 'wechat', can_reply: true, reply_to: [{ key: `wechat:a:${id}`, name: '' }], window: null, templates: [], ...changes }) as Conversation
const other = (account_id: string, changes: Partial<OtherWay> = {}): OtherWay =>
  ({ account_id, account_name: account_id, channel: 'sms', can_reply: true, reply_to: [{ key: 'phone:+861', name: '' }], capabilities: {}, window: null, templates: [], ...changes }) as OtherWay
const shut = { can_reply: false, window: { until: inHours(-1), left: 5, allowed: 5 } }

describe('the way that an answer takes', () => {
  it('stays with the customer’s last word, even while its window is closed', () => {
    const ways = waysOf({ conversations: [conversation('mail'), conversation('chat', shut)], elsewhere: [other('S')] })
    expect(usualWay(ways, 'chat', NOW)?.id).toBe('chat')
    expect(usualWay(ways, undefined, NOW)?.id).toBe('mail')
  })
  it('leaves a channel that cannot send', () => {
    const ways = waysOf({ conversations: [conversation('mail'), conversation('form', { can_reply: false })] })
    expect(usualWay(ways, 'form', NOW)?.id).toBe('mail')
  })
  it('never begins elsewhere by itself, but offers it in the order given', () => {
    const ways = waysOf({ conversations: [conversation('chat', shut)], elsewhere: [other('S', { can_reply: false }), other('T'), other('U')] })
    const usual = usualWay(ways, 'chat', NOW)
    expect(usual?.kind).toBe('conversation')
    expect(instead(ways, usual, NOW)?.reply.account_id).toBe('T')
    expect(usualWay(waysOf({ conversations: [], elsewhere: [other('S')] }), undefined, NOW)).toBeUndefined()
  })
  it('prefers another exchange of the same ticket to another way', () => {
    const ways = waysOf({ conversations: [conversation('chat', shut), conversation('mail')], elsewhere: [other('S')] })
    expect(instead(ways, ways[0], NOW)?.id).toBe('mail')
  })
  it('is usable with a template, unless the customer is gone', () => {
    const templates = [{ id: 't', name: 't', text: '', fields: [] }]
    expect(isUsable(conversation('c', { ...shut, templates }), NOW)).toBe(true)
    expect(isUsable(conversation('c', shut), NOW)).toBe(false)
    expect(isUsable(conversation('c', { can_reply: false, window: { until: null, left: 0, allowed: 0 }, templates }), NOW)).toBe(false)
  })
  it('tells two handles of one account apart', () => {
    const ways = waysOf({ conversations: [], elsewhere: [other('S'), other('S', { reply_to: [{ key: 'phone:+862', name: '' }] })] })
    expect(new Set(ways.map((way) => way.id)).size).toBe(2)
  })
})

describe('a template', () => {
  const template = { id: 't', name: 'Shipped', text: 'Order {no} left {city}. {unknown}', fields: [{ key: 'no', label: 'Order' }, { key: 'city', label: '' }] }
  it('shows values where there are some, and what belongs there where not', () => {
    expect(filledParts(template, { no: ' 42 ' })).toEqual([
      { text: 'Order ', blank: false, filled: true },
      { text: '42', blank: true, filled: true },
      { text: ' left ', blank: false, filled: true },
      { text: 'city', blank: true, filled: false },
      { text: '. ', blank: false, filled: true },
      { text: '{unknown}', blank: false, filled: true },
    ])
  })
  it('is ready with every blank filled', () => {
    expect(isFilled({ id: 't', values: { no: '1', city: ' ' } }, [template])).toBe(false)
    expect(isFilled({ id: 't', values: { no: '1', city: 'Ulm' } }, [template])).toBe(true)
    expect(isFilled({ id: 'gone', values: {} }, [template])).toBe(false)
    expect(isFilled(null, [template])).toBe(false)
  })
})

describe('taking back what has gone out', () => {
  const sent = message({ direction: 'outbound', delivery: { state: 'sent', due: '', attempts: 1, words: '', refused: {}, sent_at: inHours(-47), updated_at: '' } })
  it('is possible within the channel’s hours, once', () => {
    expect(isRecallable(sent, 48, NOW)).toBe(true)
    expect(isRecallable(sent, 46, NOW)).toBe(false)
    expect(isRecallable(sent, 0, NOW)).toBe(false)
    expect(isRecallable({ ...sent, extra: { recalled_at: inHours(-1) } }, 48, NOW)).toBe(false)
    expect(isRecallable({ ...sent, delivery: { ...sent.delivery!, state: 'queued' } }, 48, NOW)).toBe(false)
    expect(isRecallable(message(), 48, NOW)).toBe(false)
  })
})
