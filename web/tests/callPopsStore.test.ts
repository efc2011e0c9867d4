import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { HubEvent, Ticket, TimelineItem } from '@/api/types'
import { useCallPops } from '@/stores/callPops'
import { useLive } from '@/stores/live'
import { useSession } from '@/stores/session'
import { event, message, ticket } from './samples'

type Listener = (events: HubEvent[], tickets: Ticket[]) => void

const CALL = { id: 'c1', direction: 'in', state: 'ringing', customer: '+4930123456', agents: ['21'] }
const rings = (id = 'M9'): HubEvent => event({ type: 'message.received', message_id: id, ticket_id: 'T1', data: { call: CALL }, at: new Date().toISOString() })
const earlier: TimelineItem[] = [
  { kind: 'message', message: message({ id: 'M8', kind: 'call', visible_text: 'Missed call', extra: { call: { direction: 'in', state: 'ended', outcome: 'missed' } }, at: '2026-01-03T10:00:00Z' }) },
  { kind: 'message', message: message({ id: 'M9', kind: 'call', extra: { call: CALL } }) },
  { kind: 'message', message: message({ id: 'M7', direction: 'note', visible_text: 'inner' }) },
]
const last = { id: 'M5', direction: 'inbound', channel: 'wechat', preview: '你好', author: '', at: '2026-01-04T10:00:00Z' } as const
const OWNERS = { number: '+4930123456', owner: { id: 'C1', name: 'Anna' }, candidates: [{ id: 'C1', name: 'Anna', known_by: 'identity', identities: ['+4930123456'], open_tickets: 2, last_ticket: null, last_at: null }] }
let tell: Listener
let refresh: () => void
let answers: Record<string, unknown>

beforeEach(() => {
  setActivePinia(createPinia())
  answers = {
    '/calls': { items: [], next: null },
    '/contacts/by-number': OWNERS,
    '/tickets/T1/timeline': { items: earlier, next: null },
    '/tickets/T1': { ticket: ticket({ number: 12 }), contact: { id: 'C1', name: 'Anna', identities: [], merged_into: null, other_tickets: [{ id: 'T2', number: 2, subject: 'Old', status: 'closed', last_message_at: '' }, { id: 'T3', number: 3, subject: 'Bill', status: 'pending', last_message_at: '' }] }, conversations: [], links: [], operations: [] },
    '/tickets': { items: [ticket({ last_message: { ...last, id: 'M9' } }), ticket({ id: 'T3', last_message: last })], next: null },
  }
  vi.stubGlobal('fetch', (url: string) => {
    const body = answers[url.replace('/api/v1', '').split('?')[0]!]
    return Promise.resolve(new Response(JSON.stringify(body ?? { code: 'broken' }), { status: body ? 200 : 500 }))
  })
  useSession().user = { id: 'me', email: '', name: 'Lin', role: 'agent', locale: 'en', active: true, extensions: ['21'] }
  vi.spyOn(useLive(), 'subscribe').mockImplementation((onEvents, onRefresh) => {
    tell = onEvents
    refresh = onRefresh
    return () => undefined
  })
})
afterEach(() => vi.unstubAllGlobals())

describe('who calls', () => {
  it('is shown at once, and then with what is known of them on every channel', async () => {
    const store = useCallPops()
    const stop = store.follow()
    tell([rings()], [ticket({ number: 12, contact_name: 'Anna' })])
    expect(store.shown.map((pop) => pop.call.customer)).toEqual(['+4930123456'])
    expect(store.callers.M9).toMatchObject({ number: 12, name: 'Anna', openTickets: null })
    await vi.waitFor(() => expect(store.callers.M9?.last.map((one) => [one.id, one.headline])).toEqual([['M5', undefined], ['M8', 'in_missed']]))
    expect(store.callers.M9).toMatchObject({ name: 'Anna', contactId: 'C1', accountId: 'A1', openTickets: 2, others: [{ number: 3 }], owners: OWNERS })
    store.dismiss('M9')
    expect(store.shown).toEqual([])
    stop()
  })
  it('stays a number where the rest cannot be had', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    answers = {}
    const store = useCallPops()
    const stop = store.follow()
    tell([rings()], [])
    await vi.waitFor(() => expect(warned).toHaveBeenCalledTimes(3))
    expect(store.shown.map((pop) => [pop.phase, store.callers[pop.messageId]])).toEqual([['ringing', { number: null, name: '', contactId: '', accountId: '', owners: null, openTickets: null, others: [], last: [] }]])
    stop()
  })
  it('pops up for a call that rang already when the page was opened', async () => {
    answers['/calls'] = { items: [{ message: message({ id: 'M9', kind: 'call', extra: { call: { ...CALL, started_at: new Date().toISOString() } } }), ticket: null, contact_name: '' }], next: null }
    const store = useCallPops()
    const stop = store.follow()
    await vi.waitFor(() => expect(store.shown.map((pop) => pop.messageId)).toEqual(['M9']))
    stop()
    expect(store.shown).toEqual([])
  })
  it('has hung up while the link was down', async () => {
    const store = useCallPops()
    const stop = store.follow()
    tell([rings(), rings('M10')], [])
    answers['/calls'] = { items: [{ message: message({ id: 'M10', kind: 'call', extra: { call: { ...CALL, state: 'talking', answered_by: '21' } } }), ticket: null, contact_name: '' }], next: null }
    refresh()
    await vi.waitFor(() => expect(store.shown.map((pop) => [pop.messageId, pop.phase])).toEqual([['M10', 'mine']]))
    stop()
  })
  it('is asked about after the talk, until somebody sums it up', async () => {
    const store = useCallPops()
    const stop = store.follow()
    const now = (data: object): HubEvent => event({ type: 'message.updated', message_id: 'M9', data: { call: data }, at: new Date().toISOString() })
    tell([rings(), now({ ...CALL, state: 'talking', answered_by: '21' })], [])
    store.dismiss('M9')
    expect(store.shown).toEqual([])
    tell([now({ ...CALL, state: 'ended', outcome: 'answered', answered_by: '21' })], [])
    expect(store.shown.map((pop) => pop.phase)).toEqual(['wrap'])
    store.touch('M9')
    expect(store.shown[0]!.until).toBe(Infinity)
    tell([event({ type: 'call.wrapped_up', message_id: 'M8' })], [])
    expect(store.shown).toHaveLength(1)
    tell([event({ type: 'call.wrapped_up', message_id: 'M9' })], [])
    expect(store.shown).toEqual([])
    stop()
  })
  it('is asked about too where the end came while the link was down', async () => {
    const store = useCallPops()
    const stop = store.follow()
    tell([rings(), event({ type: 'message.updated', message_id: 'M9', data: { call: { ...CALL, state: 'talking', answered_by: '21' } }, at: new Date().toISOString() })], [])
    refresh()
    await vi.waitFor(() => expect(store.shown.map((pop) => pop.phase)).toEqual(['wrap']))
    stop()
  })
  it('is on screen again after the page was loaded anew in a long talk', async () => {
    answers['/calls'] = { items: [{ message: message({ id: 'M9', kind: 'call', at: '2026-01-01T10:00:00Z', extra: { call: { ...CALL, state: 'talking', answered_by: '21' } } }), ticket: null, contact_name: '' }], next: null }
    const store = useCallPops()
    const stop = store.follow()
    await vi.waitFor(() => expect(store.shown.map((pop) => pop.phase)).toEqual(['mine']))
    stop()
  })
  it('is looked for once more after the contact was changed', async () => {
    const store = useCallPops()
    const stop = store.follow()
    tell([rings()], [])
    await vi.waitFor(() => expect(store.callers.M9?.owners?.owner?.name).toBe('Anna'))
    answers['/contacts/by-number'] = { ...OWNERS, owner: { id: 'C2', name: 'Ben' } }
    await store.relearn('M9')
    expect(store.callers.M9?.owners?.owner).toEqual({ id: 'C2', name: 'Ben' })
    stop()
  })
  it('is nobody’s business who has no telephone', () => {
    useSession().user!.extensions = []
    const store = useCallPops()
    const stop = store.follow()
    tell([rings()], [])
    expect(store.shown).toEqual([])
    stop()
  })
})
