import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { calls as api, type PhoneLine } from '@/api'
import { useSession } from './session'

/** ringing: our own telephone rings. called: we picked it up, and the customer is called. unanswered: we did not. */
export type DialPhase = 'ringing' | 'called' | 'unanswered' | 'failed'

export interface Dialling {
  number: string
  phase: DialPhase
  /** Why our telephone was not picked up, as the line tells it. */
  words: string
  problem: unknown
}

const LAST_LINE = 'omnihub.line'

/** Placing calls: by which lines, and how the latest one goes. */
export const useTelephone = defineStore('telephone', () => {
  const lines = ref<PhoneLine[]>([])
  const known = ref(false)
  const dialling = ref<Dialling | null>(null)
  const last = ref(localStorage.getItem(LAST_LINE) ?? '')
  const session = useSession()

  const busy = computed(() => dialling.value?.phase === 'ringing')
  const canCall = computed(() => session.canWrite && session.extensions.length > 0 && lines.value.length > 0)
  /** The one used last comes first. */
  const ordered = computed(() => [...lines.value].sort((a, b) => Number(b.account_id === last.value) - Number(a.account_id === last.value)))

  async function load(): Promise<void> {
    try {
      lines.value = (await api.lines()).items
      known.value = true
    } catch (error) {
      // Without lines the buttons stay away; everything else goes on.
      console.warn('the lines for calls could not be read', error)
    }
  }

  function remember(line: string): void {
    last.value = line
    localStorage.setItem(LAST_LINE, line)
  }

  async function call(number: string, line: string, ticketId?: string): Promise<void> {
    if (busy.value) return
    remember(line)
    const mine: Dialling = { number, phase: 'ringing', words: '', problem: null }
    dialling.value = mine
    const turn = dialling.value
    let end: Partial<Dialling>
    try {
      const { picked_up, words } = await api.dial({ account_id: line, number, ticket_id: ticketId })
      end = { phase: picked_up ? 'called' : 'unanswered', words }
    } catch (problem) {
      end = { phase: 'failed', problem }
    }
    // It may have been put away meanwhile.
    if (dialling.value === turn) dialling.value = { ...mine, ...end }
  }

  const dismiss = (): void => void (dialling.value = null)

  return { lines, known, dialling, last, busy, canCall, ordered, load, call, dismiss }
})
