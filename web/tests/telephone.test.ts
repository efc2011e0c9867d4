import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { calls, Problem, type HubEvent } from '@/api'
import { download } from '@/api/http'
import { useCallBacks } from '@/stores/callBacks'
import { useDispositions } from '@/stores/dispositions'
import { useLive } from '@/stores/live'
import { useSession } from '@/stores/session'
import { useTelephone } from '@/stores/telephone'
import { callBack, event } from './samples'

interface Asked {
  url: string
  method: string
  body: unknown
}
let asked: Asked[]
let answers: Record<string, () => Response | Promise<Response>>
const json = (body: unknown, status = 200) => (): Response => new Response(JSON.stringify(body), { status })
const LINES = [{ account_id: 'A1', name: 'Front', channel: 'asterisk' }, { account_id: 'A2', name: 'Back', channel: 'asterisk' }]

beforeEach(() => {
  setActivePinia(createPinia())
  localStorage.clear()
  asked = []
  answers = { 'GET /calls/lines': json({ items: LINES, extensions: ['21'] }) }
  vi.stubGlobal('fetch', (url: string, options: RequestInit = {}) => {
    const method = options.method ?? 'GET'
    asked.push({ url, method, body: options.body ? JSON.parse(String(options.body)) : undefined })
    const answer = answers[`${method} ${url.replace('/api/v1', '').split('?')[0]}`]
    return Promise.resolve(answer ? answer() : json({ code: 'broken' }, 500)())
  })
  useSession().user = { id: 'me', email: '', name: 'Lin', role: 'agent', locale: 'en', active: true, extensions: ['21'] }
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('calling by a click', () => {
  it('is offered to who may write, has a telephone, and has a line', async () => {
    const phone = useTelephone()
    expect(phone.canCall).toBe(false)
    await phone.load()
    expect(phone.canCall).toBe(true)
    useSession().user!.extensions = []
    expect(phone.canCall).toBe(false)
    useSession().user = { ...useSession().user!, extensions: ['21'], role: 'readonly' }
    expect(phone.canCall).toBe(false)
  })
  it('offers the line used last first, also after the page was opened anew', async () => {
    answers['POST /calls'] = json({ call_id: 'c', picked_up: true, words: '' })
    const phone = useTelephone()
    await phone.load()
    await phone.call('+4930123456', 'A2', 'T1')
    expect(asked.at(-1)).toMatchObject({ method: 'POST', body: { account_id: 'A2', number: '+4930123456', ticket_id: 'T1' } })
    setActivePinia(createPinia())
    const later = useTelephone()
    await later.load()
    expect(later.ordered.map((line) => line.account_id)).toEqual(['A2', 'A1'])
  })
  it('says how it goes, and places one call at a time', async () => {
    let pickUp!: (response: Response) => void
    answers['POST /calls'] = () => new Promise((resolve) => (pickUp = resolve))
    const phone = useTelephone()
    const first = phone.call('+4930123456', 'A1')
    expect([phone.dialling?.phase, phone.busy]).toEqual(['ringing', true])
    await phone.call('+4930999999', 'A1')
    expect(asked).toHaveLength(1)
    pickUp(json({ call_id: 'c', picked_up: true, words: '' })())
    await first
    expect([phone.dialling?.phase, phone.busy]).toEqual(['called', false])
  })
  it('tells why nobody was called', async () => {
    const phone = useTelephone()
    answers['POST /calls'] = json({ call_id: 'c', picked_up: false, words: 'busy' })
    await phone.call('+4930123456', 'A1')
    expect(phone.dialling).toMatchObject({ phase: 'unanswered', words: 'busy' })
    answers['POST /calls'] = json({ code: 'refused', detail: 'no such extension' }, 502)
    await phone.call('+4930123456', 'A1')
    expect(phone.dialling?.phase).toBe('failed')
    expect((phone.dialling?.problem as Problem).detail).toBe('no such extension')
  })
  it('stays away once it was put away', async () => {
    let pickUp!: (response: Response) => void
    answers['POST /calls'] = () => new Promise((resolve) => (pickUp = resolve))
    const phone = useTelephone()
    const call = phone.call('+4930123456', 'A1')
    phone.dismiss()
    pickUp(json({ call_id: 'c', picked_up: true, words: '' })())
    await call
    expect(phone.dialling).toBeNull()
  })
})

describe('call-backs', () => {
  let tell: (events: HubEvent[]) => void
  beforeEach(() => {
    vi.useFakeTimers()
    vi.spyOn(useLive(), 'subscribe').mockImplementation((onEvents) => {
      tell = (events) => onEvents(events, [])
      return () => undefined
    })
  })
  const counts = (open: number): void => void (answers['GET /call-backs'] = json({ items: [], next: null, open }))

  it('are counted anew when one comes, goes, or a further call joins one', async () => {
    counts(2)
    const store = useCallBacks()
    store.follow()
    await vi.advanceTimersByTimeAsync(0)
    expect(store.open).toBe(2)
    counts(3)
    tell([event({ type: 'call_back.added' }), event({ type: 'call_back.added' })])
    await vi.advanceTimersByTimeAsync(400)
    expect([store.open, store.changes, asked.length]).toEqual([3, 1, 2])
    tell([event({ type: 'message.updated', message_id: 'M1', data: { call: { state: 'ended', outcome: 'missed' } } })])
    await vi.advanceTimersByTimeAsync(400)
    expect([store.changes, asked.length]).toEqual([2, 3])
    tell([event({ type: 'message.updated', message_id: 'M1', data: { call: { state: 'ringing' } } }), event({ type: 'ticket.status' })])
    await vi.advanceTimersByTimeAsync(400)
    expect(asked.length).toBe(3)
  })
  it('are done and taken back', async () => {
    counts(0)
    answers['POST /call-backs/B1/done'] = json(callBack({ state: 'done', how: 'closed' }))
    answers['POST /call-backs/B1/reopen'] = json({ code: 'conflict', detail: 'another one is open' }, 409)
    const store = useCallBacks()
    expect((await store.settle(callBack(), true)).state).toBe('done')
    await expect(store.settle(callBack({ state: 'done' }), false)).rejects.toMatchObject({ status: 409 })
    await vi.advanceTimersByTimeAsync(400)
    expect(store.changes).toBe(1)
  })
})

describe('outcomes to choose from', () => {
  it('are the account’s, or the usual ones until those are known', async () => {
    const store = useDispositions()
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    await store.load('A1')
    expect(warned).toHaveBeenCalledOnce()
    expect(store.of('A1')).toContain('wrong_number')
    answers['GET /calls/dispositions'] = json({ items: ['sold', 'other'] })
    await store.load('A1')
    expect(store.of('A1')).toEqual(['sold', 'other'])
    expect(store.of('A2')).toContain('resolved')
  })
})

describe('the export', () => {
  it('tells how much has come, and by which name it is kept', async () => {
    answers['GET /calls/export'] = () => new Response('a,b\r\n', { headers: { 'Content-Disposition': 'attachment; filename="calls-2026.csv"', 'Content-Type': 'text/csv' } })
    const told: number[] = []
    const { content, filename } = await calls.export({ direction: 'in', number: '+4930' }, (bytes) => told.push(bytes))
    expect(asked[0]!.url).toBe('/api/v1/calls/export?direction=in&number=%2B4930')
    expect([filename, content.size, told.at(-1)]).toEqual(['calls-2026.csv', 5, 5])
  })
  it('fails in words: the server’s, or that the line broke', async () => {
    answers['GET /calls/export'] = json({ code: 'invalid', detail: 'too short' }, 422)
    await expect(download('/calls/export', {})).rejects.toMatchObject({ status: 422, detail: 'too short' })
    answers['GET /calls/export'] = () => new Response(new ReadableStream({ start: (stream) => stream.error(new Error('cut')) }))
    await expect(download('/calls/export', {})).rejects.toMatchObject({ offline: true })
  })
})
