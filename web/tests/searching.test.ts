import { createPinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createApp, nextTick, type App } from 'vue'
import { createI18n } from 'vue-i18n'
import { createMemoryHistory, createRouter, type Router } from 'vue-router'
import type { SearchGroup, SearchHit } from '@/api/types'
import SearchBox from '@/components/search/SearchBox.vue'
import en from '@/i18n/en'
import { countOf, filtersFrom, forgetSearches, hasMark, inOrder, placeOfHit, recentSearches, rememberSearch, withPage } from '@/lib/searching'
import { ticket } from './samples'

const hit = (id: string, changes: Partial<SearchHit> = {}): SearchHit => ({
  kind: 'tickets',
  id,
  title: [{ text: 'Pump ', hit: false }, { text: 'leaks', hit: true }],
  ticket: ticket({ id, number: Number(id.slice(1)) }),
  message: null,
  contact: null,
  files: [],
  ...changes,
})
const group = (changes: Partial<SearchGroup> = {}): SearchGroup => ({ kind: 'tickets', items: [hit('T1'), hit('T2')], count: 2, more: false, certain: true, next: null, ...changes })

beforeEach(() => localStorage.clear())

describe('what was found', () => {
  it('leads to its ticket or its contact', () => {
    expect(placeOfHit(hit('T7'))).toEqual({ name: 'inbox', params: { number: 7 } })
    expect(placeOfHit(hit('C1', { kind: 'contacts', ticket: null }))).toEqual({ name: 'contacts', params: { id: 'C1' } })
  })
  it('is counted honestly', () => {
    expect(countOf({ count: 3, more: false })).toBe('3')
    expect(countOf({ count: 100, more: true })).toBe('100+')
  })
  it('grows by pages of its own kind, without repeats', () => {
    const groups = [group({ next: 'a' }), group({ kind: 'files', items: [hit('F1')] })]
    const grown = withPage(groups, group({ items: [hit('T2'), hit('T3')], certain: false }))
    expect(inOrder(grown).map((one) => one.id)).toEqual(['T1', 'T2', 'T3', 'F1'])
    expect(grown[0]).toMatchObject({ next: null, certain: false })
  })
  it('is marked where the words stand', () => {
    expect(hasMark(hit('T1').title)).toBe(true)
    expect(hasMark([{ text: 'x', hit: false }])).toBe(false)
  })
})

describe('filters in the address', () => {
  it('are only those that the server knows', () => {
    expect(filtersFrom({ q: 'x', status: 'open', tag: '', channel: ['a'], colour: 'red', team_id: 'G' })).toEqual({ status: 'open', team_id: 'G' })
  })
})

describe('recent searches', () => {
  it('are kept per person, the latest first, each once, and not for ever', () => {
    for (let n = 0; n < 12; n++) rememberSearch('me', `words ${n}`)
    expect(rememberSearch('me', ' words 7 ')).toHaveLength(8)
    expect(recentSearches('me').slice(0, 2)).toEqual(['words 7', 'words 11'])
    expect(recentSearches('you')).toEqual([])
    forgetSearches('me')
    expect(recentSearches('me')).toEqual([])
  })
  it('survive what somebody else wrote there', () => {
    localStorage.setItem('omnihub.searches.me', '{"no": "list"}')
    expect(recentSearches('me')).toEqual([])
    localStorage.setItem('omnihub.searches.me', '[1, "ok"')
    expect(recentSearches('me')).toEqual([])
  })
})

describe('the search box', () => {
  let app: App
  let router: Router
  let host: HTMLElement
  const asked: string[] = []
  const input = (): HTMLInputElement => host.querySelector<HTMLInputElement>('[data-testid=search-input]')!
  const rows = (): HTMLElement[] => [...host.querySelectorAll<HTMLElement>('[role=option]')]
  const press = (key: string): boolean => input().dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))

  async function type(words: string): Promise<void> {
    input().focus()
    input().value = words
    input().dispatchEvent(new Event('input'))
    await vi.waitFor(() => expect(rows().length).toBeGreaterThan(0))
  }

  beforeEach(async () => {
    asked.length = 0
    vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }))
    vi.stubGlobal('fetch', (url: string) => {
      asked.push(url)
      const body = { groups: [group()], words: ['leaks'], lag_seconds: 0, rebuilding: false }
      return Promise.resolve(new Response(JSON.stringify(body)))
    })
    Element.prototype.scrollIntoView = () => undefined
    const page = { template: '<p />' }
    router = createRouter({
      history: createMemoryHistory(),
      routes: [
        { path: '/', name: 'home', component: page },
        { path: '/inbox/:number?', name: 'inbox', component: page },
        { path: '/search', name: 'search', component: page },
        { path: '/contacts/:id?', name: 'contacts', component: page },
      ],
    })
    await router.push('/')
    host = document.body.appendChild(document.createElement('div'))
    app = createApp(SearchBox)
    app.use(createPinia()).use(router).use(createI18n({ legacy: false, locale: 'en', messages: { en } }))
    app.mount(host)
  })
  afterEach(() => {
    app.unmount()
    host.remove()
    vi.unstubAllGlobals()
  })

  it('takes the focus by the slash', () => {
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '/', bubbles: true }))
    expect(document.activeElement).toBe(input())
  })
  it('opens what the arrows chose', async () => {
    await type('leaks')
    expect(asked.at(-1)).toContain('q=leaks')
    expect(rows()[0]!.querySelector('mark')?.textContent).toBe('leaks')
    press('ArrowDown')
    press('ArrowDown')
    await nextTick()
    expect(rows().map((row) => row.getAttribute('aria-selected'))).toEqual(['false', 'true'])
    expect(input().getAttribute('aria-activedescendant')).toBe(rows()[1]!.id)
    press('Enter')
    await vi.waitFor(() => expect(router.currentRoute.value.fullPath).toBe('/inbox/2'))
  })
  it('goes round at the ends, and asks for all by Enter', async () => {
    await type('leaks')
    press('ArrowUp')
    await nextTick()
    expect(rows()[1]!.getAttribute('aria-selected')).toBe('true')
    press('ArrowDown')
    await nextTick()
    expect(rows()[0]!.getAttribute('aria-selected')).toBe('true')
    press('Escape')
    await nextTick()
    expect(rows()).toEqual([])
    press('Enter')
    await vi.waitFor(() => expect(router.currentRoute.value.fullPath).toBe('/search?q=leaks'))
    expect(recentSearches('')).toEqual(['leaks'])
  })
  it('leaves Enter to whoever composes a Chinese word', async () => {
    await type('ｌ')
    input().dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true }))
    await nextTick()
    expect(router.currentRoute.value.fullPath).toBe('/')
  })
  it('offers what was looked for before', async () => {
    rememberSearch('', 'old words')
    input().focus()
    await vi.waitFor(() => expect(rows().map((row) => row.textContent)).toEqual(['old words']))
    rows()[0]!.click()
    await vi.waitFor(() => expect(router.currentRoute.value.query.q).toBe('old words'))
  })
})
