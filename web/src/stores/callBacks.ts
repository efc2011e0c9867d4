import { defineStore } from 'pinia'
import { ref } from 'vue'
import { callBacks as api, type CallBack, type HubEvent } from '@/api'
import { newsOf } from '@/lib/calls'
import { gathered } from '@/lib/timing'
import { useLive } from './live'

/** A call in vain may have joined a call-back that is open already, of which no event of its own tells. */
const touches = (event: HubEvent): boolean => event.type.startsWith('call_back.') || newsOf(event)?.state === 'ended'
/** More than the server counts. */
export const MOST_COUNTED = 1000

/** How many callers wait to be called back; the list itself lives on its page. */
export const useCallBacks = defineStore('callBacks', () => {
  const open = ref(0)
  /** Counts up whenever lists of call-backs have to be read again. */
  const changes = ref(0)

  async function load(): Promise<void> {
    try {
      open.value = (await api.list('open', undefined, 1)).open
    } catch (error) {
      // Only a badge hangs on it; the page itself reports its faults.
      console.warn('the call-backs could not be counted', error)
    }
  }

  const soon = gathered(() => {
    changes.value += 1
    void load()
  }, 300)

  async function settle(one: CallBack, done: boolean): Promise<CallBack> {
    const settled = done ? await api.done(one.id) : await api.reopen(one.id)
    soon()
    return settled
  }

  function follow(): () => void {
    void load()
    return useLive().subscribe((events: HubEvent[]) => {
      if (events.some(touches)) soon()
    }, soon)
  }

  return { open, changes, load, settle, follow }
})
