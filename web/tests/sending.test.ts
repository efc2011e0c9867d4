import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createApp } from 'vue'
import { createI18n } from 'vue-i18n'
import { useSending } from '@/composables/useSending'
import { useTyping } from '@/composables/useTyping'
import en from '@/i18n/en'
import { emptyDraft } from '@/lib/drafts'
import { message } from './samples'

const calls: { path: string; body: Record<string, unknown>; key: string | null }[] = []
let answers: { status: number; body: unknown }[] = []

beforeEach(() => {
  calls.length = 0
  answers = []
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }))
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    const posts = init.method === 'POST'
    if (posts) calls.push({ path: url.replace('/api/v1', ''), body: JSON.parse(init.body as string), key: (init.headers as Record<string, string>)['Idempotency-Key'] ?? null })
    const answer = (posts && answers.shift()) || { status: 200, body: message({ id: 'M9', direction: 'outbound', conversation_id: 'V9' }) }
    return Promise.resolve(new Response(JSON.stringify(answer.body), { status: answer.status }))
  })
  setActivePinia(createPinia())
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

function sending(): ReturnType<typeof useSending> {
  let made!: ReturnType<typeof useSending>
  const app = createApp({
    setup: () => {
      made = useSending()
      return () => null
    },
  })
  app.use(createI18n({ legacy: false, locale: 'en', messages: { en: en as never } }))
  app.mount(document.createElement('div'))
  return made
}
const file = { id: 'F1', filename: 'a.bin', content_type: 'x/y', size: 1, inline: false, content_id: '', label: '' }
const letter = { ticketId: 'T1', draft: { ...emptyDraft(), conversationId: 'V1', text: 'Hi' }, attachments: [], answeringId: 'M1' }

describe('what is sent', () => {
  it('names the conversation and what it answers', async () => {
    const sent = await sending().reply(letter, false)
    expect(calls[0]).toMatchObject({ path: '/tickets/T1/replies', body: { conversation_id: 'V1', answering_id: 'M1', text: 'Hi', attachment_ids: [] } })
    expect(calls[0]!.body).not.toHaveProperty('as_links')
    expect(sent?.conversation_id).toBe('V9')
  })
  it('goes another way by account and address alone', async () => {
    await sending().reply({ ...letter, answeringId: null, elsewhere: { account_id: 'A2', to_key: 'phone:+861' } }, false)
    expect(calls[0]!.body).toMatchObject({ account_id: 'A2', to_key: 'phone:+861', text: 'Hi' })
    expect(calls[0]!.body).not.toHaveProperty('conversation_id')
    expect(calls[0]!.body).not.toHaveProperty('answering_id')
  })
  it('is a template instead of a text', async () => {
    const template = { id: 't', values: { no: '42' } }
    await sending().reply({ ...letter, draft: { ...letter.draft, template }, attachments: [file] }, false)
    expect(calls[0]!.body).toMatchObject({ text: '', template })
    expect(calls[0]!.body).not.toHaveProperty('attachment_ids')
  })
  it('says which files the server refused, and sends them as links when asked to', async () => {
    answers = [{ status: 422, body: { code: 'invalid', detail: 'this channel does not carry a.bin', details: { not_carried: ['F1'] } } }]
    const { reply, refusedFiles, fault } = sending()
    expect(await reply({ ...letter, attachments: [file] }, false)).toBeNull()
    expect(refusedFiles.value).toEqual(['F1'])
    expect(fault.value).toBe('')
    expect(await reply({ ...letter, attachments: [file], draft: { ...letter.draft, asLinks: true } }, false)).not.toBeNull()
    expect(calls[1]!.body).toMatchObject({ as_links: true, attachment_ids: ['F1'] })
    expect(calls[1]!.key).not.toBe(calls[0]!.key)
    expect(refusedFiles.value).toEqual([])
  })
})

describe('being seen to write', () => {
  it('is told at most every five seconds, and never in the way', async () => {
    vi.useFakeTimers({ now: 1_000_000, toFake: ['Date'] })
    answers = [{ status: 500, body: {} }]
    const typing = useTyping('T1')
    typing('V1')
    typing('V1')
    expect(calls).toHaveLength(1)
    expect(calls[0]).toMatchObject({ path: '/tickets/T1/typing', body: { conversation_id: 'V1' } })
    vi.setSystemTime(1_005_001)
    typing('V1')
    expect(calls).toHaveLength(2)
  })
})
