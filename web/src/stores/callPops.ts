import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { ACTIVE_STATUSES, calls as api, contacts, serverNow, tickets, type CallNews, type HubEvent, type LastMessage, type Message, type NumberOwners, type OtherTicket, type Ticket } from '@/api'
import { callOf, headlineOf, isWaiting, newsOf, NO_NEWS, takenBy } from '@/lib/calls'
import { afterDismissing, afterFinishing, afterHearing, afterTime, afterTouching, isShown, nextChange, type CallPop, type Heard } from '@/lib/callPops'
import { numberOfCaller } from '@/lib/phones'
import { useLive } from './live'
import { useSession } from './session'

/** `headline` names the words of an earlier call. */
export type Said = LastMessage & { headline?: string }

/** What is known of who calls; it grows while the telephone rings. */
export interface Caller {
  number: number | null
  name: string
  contactId: string
  /** The line's account; empty until it is known. */
  accountId: string
  /** Whom the number belongs to, and who else gave it as theirs; null until that is known. */
  owners: NumberOwners | null
  /** null until it was asked for. */
  openTickets: number | null
  others: OtherTicket[]
  last: Said[]
}

const LAST_MESSAGES = 3
const GOES_ON = new Set<CallPop['phase']>(['ringing', 'mine', 'placed'])
const UNKNOWN: Caller = { number: null, name: '', contactId: '', accountId: '', owners: null, openTickets: null, others: [], last: [] }

function asSaid(message: Message): Said {
  const { id, direction, channel, at } = message
  const call = callOf(message)
  return { id, direction, channel, at, preview: message.visible_text || message.text, author: message.sender.name, headline: call ? headlineOf(call) : undefined }
}

/** The calls that ring at the reader's own telephones. */
export const useCallPops = defineStore('callPops', () => {
  const pops = ref<CallPop[]>([])
  const callers = ref<Record<string, Caller>>({})
  const shown = computed(() => pops.value.filter(isShown))
  /** By which number it was asked whose it is. */
  const asked = new Map<string, string>()
  let timer: ReturnType<typeof setTimeout> | undefined

  function keep(next: CallPop[]): void {
    const fresh = next.filter((pop) => isShown(pop) && !callers.value[pop.messageId])
    pops.value = next
    const known = new Set(next.map((pop) => pop.messageId))
    callers.value = Object.fromEntries(Object.entries(callers.value).filter(([id]) => known.has(id)))
    for (const pop of fresh) void learn(pop)
    clearTimeout(timer)
    const change = nextChange(next)
    if (change !== null) timer = setTimeout(() => keep(afterTime(pops.value, serverNow())), Math.max(50, change - serverNow()))
  }

  function note(messageId: string, about: Partial<Caller>): void {
    callers.value = { ...callers.value, [messageId]: { ...(callers.value[messageId] ?? UNKNOWN), ...about } }
  }

  /** The pop-up is up already; what cannot be learnt just stays away from it. */
  async function learn(pop: CallPop): Promise<void> {
    note(pop.messageId, {})
    await Promise.all([learnHistory(pop), learnOwners(pop, '')])
  }

  /** By the number with its country code: the hub knows it better than what the exchange shows. */
  async function learnOwners(pop: CallPop, known: string): Promise<void> {
    const number = known || pop.call.customer
    if (!number.startsWith('+') || asked.get(pop.messageId) === number) return
    asked.set(pop.messageId, number)
    try {
      note(pop.messageId, { owners: await contacts.byNumber(number) })
    } catch (error) {
      console.warn('whose number this is cannot be shown', error)
    }
  }

  async function learnHistory(pop: CallPop): Promise<void> {
    try {
      const [detail, page] = await Promise.all([tickets.read(pop.ticketId), tickets.timeline(pop.ticketId, undefined, 10)])
      const own = page.items.flatMap((item) => (item.kind === 'message' && item.message.id === pop.messageId ? [item.message] : []))[0]
      const others = (detail.contact.other_tickets ?? []).filter((one) => ACTIVE_STATUSES.includes(one.status))
      const said = page.items.flatMap((item) => (item.kind === 'message' && item.message.id !== pop.messageId && item.message.direction !== 'note' ? [item.message] : []))
      note(pop.messageId, {
        number: detail.ticket.number,
        name: detail.contact.name,
        contactId: detail.contact.id,
        accountId: own?.account_id ?? '',
        others,
        // A ticket that the call itself has opened is no history.
        openTickets: others.length + (said.length > 0 ? 1 : 0),
        last: newest(said.map(asSaid)),
      })
      if (own) void learnOwners(pop, numberOfCaller(own))
      const elsewhere = await tickets.list({ view: 'all', status: 'any', contact_id: detail.contact.id, limit: 6 })
      const last = elsewhere.items.flatMap((one) => (one.last_message && one.last_message.id !== pop.messageId ? [one.last_message] : []))
      note(pop.messageId, { last: newest([...(callers.value[pop.messageId]?.last ?? []), ...last]) })
    } catch (error) {
      console.warn('the caller’s history cannot be shown', error)
    }
  }

  function newest(list: Said[]): Said[] {
    // The first of two knows more.
    const once = new Map([...list].reverse().map((one) => [one.id, one]))
    return [...once.values()].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, LAST_MESSAGES)
  }

  function hear(heard: readonly Heard[]): void {
    const own = useSession().extensions
    if (heard.length === 0 || own.length === 0) return
    const now = serverNow()
    keep(heard.reduce((list, one) => afterHearing(list, one, own, now), afterTime(pops.value, now)))
  }

  function onEvents(events: HubEvent[], rows: Ticket[]): void {
    const heard = events.flatMap((event) => {
      const news = newsOf(event)
      return news && event.message_id ? [{ messageId: event.message_id, ticketId: event.ticket_id, news, at: event.at }] : []
    })
    hear(heard)
    for (const event of events) if (event.type === 'call.wrapped_up' && event.message_id) settle(event.message_id)
    for (const pop of shown.value) {
      const row = rows.find((one) => one.id === pop.ticketId)
      if (row && !callers.value[pop.messageId]?.number) note(pop.messageId, { number: row.number, name: row.contact_name })
    }
  }

  /** How things stand when the page is opened, or after the link was down. */
  async function catchUp(): Promise<void> {
    const own = useSession().extensions
    if (own.length === 0) return
    // What rings only since the question was sent is not in its answer.
    const before = new Set(pops.value.map((pop) => pop.messageId))
    try {
      const page = await api.list({ state: 'active', limit: 100 })
      const goingOn = new Set(page.items.map(({ message }) => message.id))
      const over = pops.value.filter((pop) => GOES_ON.has(pop.phase) && before.has(pop.messageId) && !goingOn.has(pop.messageId))
      over.forEach(endUnheard)
      const news = page.items.flatMap(({ message }) => {
        const call = callOf(message)
        const known = pops.value.some((pop) => pop.messageId === message.id)
        if (!call) return []
        const talks = !isWaiting(call) && takenBy(call, own)
        // One that we talk in may have begun long ago.
        const at = talks ? new Date(serverNow()).toISOString() : (call.started_at ?? message.at)
        return known || talks || call.state === 'ringing' ? [{ messageId: message.id, ticketId: message.ticket_id, news: call, at }] : []
      })
      hear(news)
    } catch (error) {
      console.warn('calls that ring already cannot be shown', error)
    }
  }

  /** Its end was not told to us: after a talk we still ask how it went. */
  function endUnheard(pop: CallPop): void {
    const end: CallNews = { ...NO_NEWS, state: 'ended', outcome: pop.call.state === 'ringing' ? 'missed' : 'answered' }
    if (pop.phase === 'ringing') return finish(pop.messageId)
    hear([{ messageId: pop.messageId, ticketId: pop.ticketId, news: end, at: new Date(serverNow()).toISOString() }])
  }

  const dismiss = (messageId: string): void => keep(afterDismissing(pops.value, messageId, serverNow()))
  const finish = (messageId: string): void => keep(afterFinishing(pops.value, messageId, serverNow()))
  /** Somebody begins to sum it up. */
  const touch = (messageId: string): void => keep(afterTouching(pops.value, messageId))
  /** It is summed up: the question is answered. */
  function settle(messageId: string): void {
    if (pops.value.some((pop) => pop.messageId === messageId && pop.phase === 'wrap')) finish(messageId)
  }
  /** After the caller's contact was changed. */
  async function relearn(messageId: string): Promise<void> {
    const pop = pops.value.find((one) => one.messageId === messageId)
    if (!pop) return
    const number = asked.get(messageId) ?? ''
    asked.delete(messageId)
    await Promise.all([learnHistory(pop), learnOwners(pop, number)])
  }

  function follow(): () => void {
    void catchUp()
    const unfollow = useLive().subscribe(onEvents, () => void catchUp())
    return () => {
      unfollow()
      clearTimeout(timer)
      pops.value = []
      callers.value = {}
      asked.clear()
    }
  }

  return { pops, callers, shown, dismiss, finish, touch, relearn, follow }
})
