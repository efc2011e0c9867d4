import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { Problem, request, wiring } from '@/api/http'
import { loadDraft, saveDraft } from '@/lib/drafts'
import { usePrefs } from '@/stores/prefs'
import { useSeen } from '@/stores/seen'
import { useSession } from '@/stores/session'
import { useTicket } from '@/stores/ticket'
import { useTickets } from '@/stores/tickets'
import { message, ticket } from './samples'

type Answer = { status?: number; body?: unknown }
const calls: { method: string; path: string; headers: Record<string, string>; body: unknown }[] = []

function serve(answers: Record<string, Answer | (() => Answer)>): void {
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    const path = url.replace('/api/v1', '')
    calls.push({ method: init.method!, path, headers: init.headers as Record<string, string>, body: init.body ? JSON.parse(init.body as string) : undefined })
    const found = Object.entries(answers).find(([key]) => `${init.method} ${path}`.startsWith(key))
    const answer = typeof found?.[1] === 'function' ? found[1]() : (found?.[1] ?? { status: 404, body: { code: 'not_found' } })
    return Promise.resolve(new Response(answer.body === undefined ? null : JSON.stringify(answer.body), { status: answer.status ?? 200 }))
  })
}

const user = { id: 'me', email: 'lin@example.com', name: 'Lin', role: 'agent' as const, locale: 'zh-CN', active: true }

beforeEach(() => {
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }))
  localStorage.clear()
  calls.length = 0
  setActivePinia(createPinia())
})
afterEach(() => {
  vi.unstubAllGlobals()
  wiring.onUnauthorized = () => undefined
})

describe('the language', () => {
  it('that the sign-in page spoke stays after signing in', async () => {
    serve({ 'POST /session': { body: { user: { ...user, locale: 'zh-CN' }, csrf: 't' } }, 'PATCH /me': { body: { ...user, locale: 'en' } } })
    await useSession().login('lin@example.com', 'x')
    expect(usePrefs().locale).toBe('en')
    expect(calls.at(-1)).toMatchObject({ method: 'PATCH', path: '/me', body: { locale: 'en' } })
  })
})

describe('requests', () => {
  it('carry the CSRF token on every change, after sign-in', async () => {
    usePrefs().chooseLocale('zh-CN')
    await nextTick()
    serve({ 'POST /session': { body: { user, csrf: 'token-1' } }, 'PATCH /tickets/T1': { body: ticket() } })
    await useSession().login('lin@example.com', 'x')
    await request('PATCH', '/tickets/T1', { body: { status: 'open' } })
    expect(calls[1]!.headers['X-CSRF-Token']).toBe('token-1')
    expect(calls[1]!.headers['Accept-Language']).toBe('zh-CN')
  })
  it('hand on the server’s own words and details', async () => {
    serve({ 'POST /tickets/T1/claim': { status: 409, body: { code: 'already_claimed', title: 'Taken', detail: 'Sara has it.', details: { assignee: 'u2' } } } })
    const error = await request('POST', '/tickets/T1/claim').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(Problem)
    expect(error).toMatchObject({ status: 409, code: 'already_claimed', detail: 'Sara has it.', details: { assignee: 'u2' } })
  })
  it('survive a proxy’s page and a dead line', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve(new Response('<html>502</html>', { status: 502 })))
    await expect(request('GET', '/status')).rejects.toMatchObject({ status: 502, code: 'http_502' })
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')))
    await expect(request('GET', '/status')).rejects.toMatchObject({ offline: true })
  })
  it('end the session when it is over, but not for a wrong password', async () => {
    const over = vi.fn()
    wiring.onUnauthorized = over
    serve({ 'POST /session': { status: 401, body: { code: 'bad_login' } }, 'GET /tickets': { status: 401, body: {} } })
    await expect(useSession().login('a', 'b')).rejects.toMatchObject({ code: 'bad_login' })
    expect(over).not.toHaveBeenCalled()
    await expect(request('GET', '/tickets')).rejects.toMatchObject({ status: 401 })
    expect(over).toHaveBeenCalledOnce()
  })
})

describe('the list', () => {
  it('pages without repeating rows that moved meanwhile', async () => {
    serve({
      'GET /tickets?view=mine&status=active&cursor=p2': { body: { items: [ticket({ id: 'A' }), ticket({ id: 'C', last_message_at: '2026-01-01T08:00:00Z' })], next: null } },
      'GET /tickets': { body: { items: [ticket({ id: 'A' }), ticket({ id: 'B', last_message_at: '2026-01-02T09:00:00Z' })], next: 'p2' } },
    })
    const tickets = useTickets()
    await tickets.show({ view: 'mine', status: 'active' })
    await tickets.loadMore()
    expect(tickets.items.map((row) => row.id)).toEqual(['A', 'B', 'C'])
    expect(tickets.next).toBeNull()
  })
  it('says what went wrong and recovers', async () => {
    let broken = true
    serve({ 'GET /tickets': () => (broken ? { status: 503, body: { code: 'unavailable', detail: 'The database is away.' } } : { body: { items: [ticket()], next: null } }) })
    const tickets = useTickets()
    await tickets.load()
    expect(tickets.problem?.detail).toBe('The database is away.')
    broken = false
    await tickets.load()
    expect(tickets.problem).toBeNull()
    expect(tickets.items).toHaveLength(1)
  })
})

describe('the open ticket', () => {
  const detail = { ticket: ticket({ last_inbound_id: 'M1', version: 3 }), contact: { id: 'C1', name: 'Anna', identities: [], merged_into: null }, conversations: [], links: [], operations: [] }

  it('remembers which customer message was on screen when it was opened', async () => {
    serve({ 'GET /tickets/1/timeline': { body: { items: [{ kind: 'message', message: message() }], next: null } }, 'GET /tickets/1': { body: detail } })
    const open = useTicket()
    await open.open(1)
    expect(open.seenInboundId).toBe('M1')
    open.takeTicket(ticket({ last_inbound_id: 'M2', version: 4 }))
    expect(open.ticket?.last_inbound_id).toBe('M2')
    expect(open.seenInboundId).toBe('M1')
    open.takeTicket(ticket({ last_inbound_id: 'M1', version: 2 }))
    expect(open.ticket?.last_inbound_id).toBe('M2')
  })
  it('looks further up for a message that changed there', async () => {
    let text = 'before'
    const said = (id: string, hour: number, words = id) => ({ kind: 'message', message: message({ id, text: words, at: `2026-01-02T0${hour}:00:00Z` }) })
    serve({
      'GET /tickets/T1/timeline?cursor=up': () => ({ body: { items: [said('old', 1, text), said('next', 2)], next: 'further' } }),
      'GET /tickets/T1/timeline': { body: { items: [said('M1', 5)], next: 'up' } },
      'GET /tickets/1/timeline': { body: { items: [said('M1', 5)], next: 'up' } },
      'GET /tickets/1': { body: detail },
    })
    const open = useTicket()
    await open.open(1)
    await open.loadOlder()
    text = 'after'
    await open.refreshTimeline()
    expect(open.messages.map((one) => one.text)).toEqual(['before', 'next', 'M1'])
    await open.refreshTimeline(['old', 'never shown'])
    expect(open.messages.map((one) => one.text)).toEqual(['after', 'next', 'M1'])
    expect(open.older).toBe('further')
  })
  it('knows the customer’s name by any key of theirs', async () => {
    const identity = { key: 'wechat:a:o1', channel: 'wechat', name: '', claims: [], evidence: '' }
    serve({ 'GET /tickets/1/timeline': { body: { items: [], next: null } }, 'GET /tickets/1': { body: { ...detail, ticket: ticket(), contact: { ...detail.contact, identities: [identity] } } } })
    const open = useTicket()
    await open.open(1)
    expect(open.customerName('wechat:a:o1')).toBe('Anna')
    expect(open.customerName('wechat:a:o2')).toBe('')
  })
})

describe('what a reply claims to know', () => {
  const inbound = message({ id: 'M1', at: '2026-01-02T10:00:00Z' })
  const answer = message({ id: 'M2', direction: 'outbound', at: '2026-01-02T11:00:00Z' })
  const detail = { ticket: ticket({ last_inbound_id: 'M1' }), contact: { id: 'C1', name: 'Anna', identities: [], merged_into: null }, conversations: [], links: [], operations: [] }

  async function opened() {
    serve({ 'GET /tickets/1/timeline': { body: { items: [{ kind: 'message', message: inbound }], next: null } }, 'GET /tickets/1': { body: detail } })
    const store = useTicket()
    await store.open(1)
    return store
  }
  it('is what was on screen, whoever wrote it', async () => {
    const store = await opened()
    expect([store.seenInboundId, store.seenMessageId]).toEqual(['M1', 'M1'])
    store.takeMessage(answer)
    expect(store.hasSeen('M2')).toBe(false)
    expect(store.seenMessageId).toBe('M1')
    store.saw('M2')
    expect([store.seenInboundId, store.seenMessageId]).toEqual(['M1', 'M2'])
    expect(store.hasSeen('M2')).toBe(true)
  })
  it('grows by what the guard has shown', async () => {
    const store = await opened()
    store.sawBetween([message({ id: 'M3' }), message({ id: 'M4', direction: 'outbound' })])
    expect([store.seenInboundId, store.seenMessageId]).toEqual(['M3', 'M4'])
    store.takeTicket(ticket({ last_inbound_id: 'M0', version: 9 }))
    store.sawBetween([])
    expect(store.seenInboundId).toBe('M0')
  })
  it('asks again where a message came in between ticket and timeline', async () => {
    const pages = [[{ kind: 'message', message: message({ id: 'M0' }) }], [{ kind: 'message', message: inbound }]]
    serve({ 'GET /tickets/1/timeline': () => ({ body: { items: pages.shift(), next: null } }), 'GET /tickets/1': { body: detail } })
    const store = useTicket()
    await store.open(1)
    expect(store.messages.map((one) => one.id)).toEqual(['M1'])
  })
})

describe('the view to begin with', () => {
  const counts = { mine: 0, unassigned: 0, all: 5, snoozed: 0, spam: 0, by_status: { new: 0, open: 0, pending: 0, resolved: 0, closed: 0 } }
  it.each([
    [{ ...counts, mine: 1, unassigned: 3 }, 'mine'],
    [{ ...counts, unassigned: 3 }, 'unassigned'],
    [counts, 'all'],
  ])('is where the work is', async (body, home) => {
    serve({ 'GET /tickets/counts': { body } })
    const tickets = useTickets()
    await tickets.decideHome()
    expect(tickets.home).toBe(home)
    tickets.home = 'mine'
    await tickets.decideHome()
    expect(tickets.home).toBe('mine')
  })
})

describe('what this browser has seen', () => {
  const waiting = ticket({ last_inbound_id: 'M1', waiting_since: '2026-01-02T10:00:00Z' })

  it('marks unread until looked at, also after a reload', () => {
    expect(useSeen().isUnread(waiting)).toBe(true)
    useSeen().markSeen(waiting)
    setActivePinia(createPinia())
    expect(useSeen().isUnread(waiting)).toBe(false)
    expect(useSeen().isUnread({ ...waiting, last_inbound_id: 'M2' })).toBe(true)
  })
  it('counts every ticket once in the title', () => {
    const seen = useSeen()
    seen.arrived('T1')
    seen.arrived('T1')
    seen.arrived('T2')
    expect(seen.badge).toBe(2)
    seen.markSeen(waiting)
    expect(seen.badge).toBe(1)
  })
})

describe('drafts', () => {
  it('are kept per ticket and vanish when empty', () => {
    saveDraft('T1', { ...loadDraft('T1'), text: 'Dear Anna' })
    expect(loadDraft('T1').text).toBe('Dear Anna')
    expect(loadDraft('T2').text).toBe('')
    saveDraft('T1', { ...loadDraft('T1'), text: ' ' })
    expect(localStorage.length).toBe(0)
  })
})
